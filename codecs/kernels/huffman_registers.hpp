// Huffman codes looked up in registers: where a processor permutes bytes of several registers at once, 64 symbols need six
// such permutations and no memory, while 64 gathers take longer than all else.
//
// A part of state_lanes.cpp for each target, as Highway has them: the guard is toggled.

#include "codecs/kernels/state_lanes.hpp"

#if defined(KVSTONE_HUFFMAN_REGISTERS_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_HUFFMAN_REGISTERS_HPP
#undef KVSTONE_HUFFMAN_REGISTERS_HPP
#else
#define KVSTONE_HUFFMAN_REGISTERS_HPP
#endif

#include <hwy/highway.h>

#undef KVSTONE_BYTES_IN_REGISTERS
#if HWY_TARGET <= HWY_AVX3_DL
#define KVSTONE_BYTES_IN_REGISTERS 1

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

/// For groups of 64 states, in four vectors.
class HuffmanRegisters {
    using Words = hn::CappedTag<std::uint32_t, 16>;
    using Halves = hn::Repartition<std::uint16_t, Words>;
    using Bytes = hn::Repartition<std::uint8_t, Words>;
    using WordVector = hn::Vec<Words>;
    using HalfVector = hn::Vec<Halves>;
    using ByteVector = hn::Vec<Bytes>;

    struct ByteTable {
        ByteVector quarters[4];
    };

    static HWY_INLINE ByteTable load(std::uint8_t const* bytes) {
        Bytes const d;
        return {{hn::LoadU(d, bytes), hn::LoadU(d, bytes + 64), hn::LoadU(d, bytes + 128), hn::LoadU(d, bytes + 192)}};
    }
    static HWY_INLINE ByteVector look_up(ByteTable const& table, ByteVector index) {
        Bytes const d;
        auto const half = hn::IndicesFromVec(d, hn::And(index, hn::Set(d, 0x7f)));
        auto const low = hn::TwoTablesLookupLanes(d, table.quarters[0], table.quarters[1], half);
        auto const high = hn::TwoTablesLookupLanes(d, table.quarters[2], table.quarters[3], half);
        return hn::IfThenElse(hn::Ge(index, hn::Set(d, 0x80)), high, low);
    }

  public:
    /// Reads the order of a code of two symbols or more.
    class Lookup {
      public:
        explicit HWY_INLINE Lookup(HuffmanOrder const& order) : order_(order), symbols_(load(order.symbols.data())) {
            alignas(64) std::uint16_t bases[hn::MaxLanes(Halves())] = {};
            for (std::size_t length = 0; length < order.bases.size(); ++length) bases[length] = order.bases[length];
            bases_ = hn::Load(Halves(), bases);
        }

        /// Pops the symbol of each state.
        HWY_INLINE void pop(WordVector* state, std::uint8_t* to) const {
            Words const words;
            Halves const halves;
            Bytes const bytes;
            HalfVector const first = hn::ReverseBits(hn::OrderedTruncate2To(halves, state[0], state[1]));
            HalfVector const second = hn::ReverseBits(hn::OrderedTruncate2To(halves, state[2], state[3]));
            auto const one = hn::Set(halves, 1);
            auto first_length = hn::Set(halves, static_cast<std::uint16_t>(order_.shortest));
            auto second_length = first_length;
            for (auto length = order_.shortest; length < order_.longest; ++length) {
                auto const limit = hn::Set(halves, order_.limits[length]);
                first_length = hn::MaskedAddOr(first_length, hn::Ge(first, limit), first_length, one);
                second_length = hn::MaskedAddOr(second_length, hn::Ge(second, limit), second_length, one);
            }
            hn::StoreU(look_up(symbols_,
                               hn::OrderedTruncate2To(bytes, place(first, first_length), place(second, second_length))),
                       bytes, to);
            state[0] = hn::Shr(state[0], hn::PromoteLowerTo(words, first_length));
            state[1] = hn::Shr(state[1], hn::PromoteUpperTo(words, first_length));
            state[2] = hn::Shr(state[2], hn::PromoteLowerTo(words, second_length));
            state[3] = hn::Shr(state[3], hn::PromoteUpperTo(words, second_length));
        }

      private:
        HWY_INLINE HalfVector place(HalfVector bits, HalfVector length) const {
            Halves const d;
            auto const base = hn::TableLookupLanes(bases_, hn::IndicesFromVec(d, length));
            return hn::Add(base, hn::Shr(bits, hn::Sub(hn::Set(d, 16), length)));
        }

        HuffmanOrder const& order_;
        ByteTable symbols_;
        HalfVector bases_;
    };

    class Codes {
      public:
        explicit HWY_INLINE Codes(HuffmanCodes const& codes) {
            std::uint8_t low[256];
            std::uint8_t high[256];
            std::uint8_t places[64];
            for (std::size_t symbol = 0; symbol < 256; ++symbol) {
                auto const code = codes.codes[symbol];
                low[symbol] = static_cast<std::uint8_t>(code);
                high[symbol] = static_cast<std::uint8_t>((code >> 12 & 0xf0U) | (code >> 8 & 0xfU));
            }
            // Halves of 16 bytes come together with those of the other bytes: lower halves in one vector, upper ones in another.
            for (std::size_t i = 0; i < 64; ++i)
                places[i] = static_cast<std::uint8_t>(63 - (i / 16 * 8 + i % 8 + (i % 16 >= 8 ? 32 : 0)));
            low_ = load(low);
            high_ = load(high);
            places_ = hn::LoadU(Bytes(), places);
        }

        /// length << 12 | code of 64 symbols, the last first.
        HWY_INLINE void of(std::uint8_t const* symbols, WordVector* codes) const {
            Words const words;
            Halves const halves;
            Bytes const bytes;
            auto const symbol = hn::TableLookupLanes(hn::LoadU(bytes, symbols), hn::IndicesFromVec(bytes, places_));
            auto const low = look_up(low_, symbol);
            auto const high = look_up(high_, symbol);
            auto const first = hn::BitCast(halves, hn::InterleaveLower(bytes, low, high));
            auto const second = hn::BitCast(halves, hn::InterleaveUpper(bytes, low, high));
            codes[0] = hn::PromoteLowerTo(words, first);
            codes[1] = hn::PromoteUpperTo(words, first);
            codes[2] = hn::PromoteLowerTo(words, second);
            codes[3] = hn::PromoteUpperTo(words, second);
        }

      private:
        ByteTable low_;
        ByteTable high_;
        ByteVector places_;
    };
};

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif  // HWY_TARGET <= HWY_AVX3_DL
#endif
