// Numbers of codes of four bits, two of them a byte, by vectors.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled. To be included after
// hwy/highway.h.

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(KVSTONE_NIBBLE_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_NIBBLE_LANES_HPP
#undef KVSTONE_NIBBLE_LANES_HPP
#else
#define KVSTONE_NIBBLE_LANES_HPP
#endif

#include "backends/kernels/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// A table of 16 floats. `low_bytes` is how many of the lowest bytes of each float are zero: numbers of few digits.
template <unsigned low_bytes>
class NibbleTable {
  public:
    static constexpr std::size_t lanes = hn::MaxLanes(Floats());
    /// With sixteen floats in a register that is the table, and factors may be multiplied into it.
    static constexpr bool in_register = lanes == 16;
    /// Numbers that are restored at a time.
    static constexpr std::size_t registers = in_register ? 1 : 4;
    static constexpr std::size_t at_once = registers * lanes;

    explicit NibbleTable(float const* table) {
        Floats const d;
        if constexpr (in_register) {
            all_ = hn::LoadU(d, table);
        } else {
            alignas(16) std::uint8_t bytes[16];
            for (unsigned b = low_bytes; b < 4; ++b) {
                for (unsigned k = 0; k < 16; ++k) bytes[k] = reinterpret_cast<std::uint8_t const*>(table + k)[b];
                planes_[b] = hn::LoadDup128(CodeBytes(), bytes);
            }
        }
    }

    /// put_lanes(q, numbers) for each register q of the codes in at_once / 2 bytes, each number times factor(q), whose lanes
    /// are equal where `one_factor`.
    template <bool one_factor, class Factor, class Put>
    HWY_INLINE void operator()(std::byte const* packed, Factor const& factor, Put const& put_lanes) const {
        auto const* const from = reinterpret_cast<std::uint8_t const*>(packed);
        if constexpr (in_register) {
            Floats const d;
            hn::Repartition<std::uint64_t, Floats> const d64;
            hn::Rebind<std::uint8_t, decltype(d64)> const eight;
            // A byte in each 64 bits, and what is above its low half in the upper 32.
            auto const bytes = hn::PromoteTo(d64, hn::LoadU(eight, from));
            auto const codes = hn::And(hn::Or(bytes, hn::ShiftLeft<28>(bytes)), hn::Set(d64, 0x0000000f0000000fU));
            auto const indices = hn::IndicesFromVec(d, hn::BitCast(Ints(), codes));
            if constexpr (one_factor) {
                put_lanes(0, hn::TableLookupLanes(hn::Mul(all_, factor(0)), indices));
            } else {
                put_lanes(0, hn::Mul(hn::TableLookupLanes(all_, indices), factor(0)));
            }
        } else {
            FloatVector numbers[4];
            look_up(codes_of(from), numbers);
            for (std::size_t q = 0; q < 4; ++q) put_lanes(q, hn::Mul(numbers[q], factor(q)));
        }
    }

  private:
    /// Codes a byte each, so that interleaved parts of 16 bytes have them in order.
    static HWY_INLINE hn::Vec<CodeBytes> codes_of(std::uint8_t const* from) {
        CodeBytes const d;
        hn::Repartition<std::uint16_t, CodeBytes> const words;
        alignas(32) static constexpr std::uint8_t order[2][32] = {
            {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7}, {0, 0, 1, 1, 4, 4, 5, 5, 8,  8,  9,  9,  12, 12, 13, 13,
                                                               2, 2, 3, 3, 6, 6, 7, 7, 10, 10, 11, 11, 14, 14, 15, 15}};
        hn::Vec<CodeBytes> bytes;
        if constexpr (lanes == 8) {
            bytes = hn::LoadDup128(d, from);
        } else {
            bytes = hn::ZeroExtendVector(d, hn::LoadU(hn::Half<CodeBytes>(), from));
        }
        auto const twice = hn::BitCast(words, hn::TableLookupBytes(bytes, hn::LoadU(d, order[lanes == 8 ? 1 : 0])));
        return hn::BitCast(d, hn::Or(hn::And(twice, hn::Set(words, 0x000f)),
                                     hn::And(hn::ShiftRight<4>(twice), hn::Set(words, 0x0f00))));
    }
    HWY_INLINE void look_up(hn::Vec<CodeBytes> codes, FloatVector (&numbers)[4]) const {
        CodeBytes const d;
        hn::Repartition<std::uint16_t, CodeBytes> const words;
        auto const plane = [&](unsigned b) KVSTONE_INNER { return hn::TableLookupBytes(planes_[b], codes); };
        auto const zero = hn::Zero(d);
        auto const b0 = low_bytes > 0 ? zero : plane(0);
        auto const b1 = low_bytes > 1 ? zero : plane(1);
        auto const b2 = plane(2);
        auto const b3 = plane(3);
        auto const floats = [&](auto low, auto high, FloatVector& first, FloatVector& second) KVSTONE_INNER {
            first = hn::BitCast(Floats(), hn::InterleaveLower(words, low, high));
            second = hn::BitCast(Floats(), hn::InterleaveUpper(words, low, high));
        };
        floats(hn::BitCast(words, hn::InterleaveLower(d, b0, b1)), hn::BitCast(words, hn::InterleaveLower(d, b2, b3)),
               numbers[0], numbers[1]);
        floats(hn::BitCast(words, hn::InterleaveUpper(d, b0, b1)), hn::BitCast(words, hn::InterleaveUpper(d, b2, b3)),
               numbers[2], numbers[3]);
    }

    FloatVector all_;
    hn::Vec<CodeBytes> planes_[4];
};

/// `count` numbers of codes from `packed`, times factor(i) for the register of values from value i on, with equal lanes where
/// `one_factor`. Past the cache where `streaming`, and `values` starts a cache line.
template <bool one_factor, bool streaming, class Table, class Factor>
HWY_INLINE void restore_row_of_nibbles(Table const& table, std::byte const* packed, std::size_t count,
                                       Factor const& factor, float* values) {
    Floats const d;
    std::size_t i = 0;
    auto const factor_of = [&](std::size_t q) KVSTONE_INNER { return factor(i + q * Table::lanes); };
    for (; i + Table::at_once <= count; i += Table::at_once) {
        table.template operator()<one_factor>(packed + i / 2, factor_of,
                                              [&](std::size_t q, FloatVector number) KVSTONE_INNER {
                                                  put<streaming>(number, d, values + i + q * Table::lanes);
                                              });
    }
    if (i == count) return;
    std::byte some[Table::at_once / 2] = {};
    alignas(64) float last[Table::at_once];
    std::memcpy(some, packed + i / 2, (count - i + 1) / 2);
    table.template operator()<one_factor>(some, factor_of, [&](std::size_t q, FloatVector number) KVSTONE_INNER {
        hn::Store(number, d, last + q * Table::lanes);
    });
    std::memcpy(values + i, last, (count - i) * sizeof(float));
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
