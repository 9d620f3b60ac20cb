// Codes of the nearest of up to 16 levels, by vectors of bytes: what LevelBins are for.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled. To be included after
// hwy/highway.h.

#include "codecs/kernels/level_bins.hpp"

#if defined(KVSTONE_CELL_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_CELL_LANES_HPP
#undef KVSTONE_CELL_LANES_HPP
#else
#define KVSTONE_CELL_LANES_HPP
#endif

#include "backends/kernels/lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

using ByteVector = hn::Vec<CodeBytes>;
/// Codes that are found at a time: a register of bytes, from four of floats.
inline constexpr std::size_t codes_at_once = 4 * hn::MaxLanes(Floats());

/// Whole numbers of places on the axis, towards zero. What is no number or lies far outside becomes so small a number that
/// no other place has it: comparing then decides. A place may lie there alone because its block's factor times per_unit does.
HWY_INLINE IntVector cells_of(FloatVector places) {
#if HWY_ARCH_X86
    return hn::ConvertInRangeTo(Ints(), places);  // -2^31 for all of these
#else
    Floats const d;
    auto const end = hn::Set(d, 0x1p31F);
    return hn::ConvertTo(Ints(), hn::IfThenElse(hn::Lt(places, end), places, hn::Neg(end)));
#endif
}

/// Four registers of whole numbers as words and then bytes come in an order of the processor's: this is that of the four.
HWY_INLINE ByteVector in_order(ByteVector bytes) {
#if HWY_ARCH_X86
    hn::Repartition<std::uint32_t, CodeBytes> const quads;
    if constexpr (hn::MaxLanes(quads) == 8) {
        alignas(32) static constexpr std::uint32_t order[8] = {0, 4, 1, 5, 2, 6, 3, 7};
        return hn::BitCast(CodeBytes(),
                           hn::TableLookupLanes(hn::BitCast(quads, bytes), hn::SetTableIndices(quads, order)));
    } else if constexpr (hn::MaxLanes(quads) == 16) {
        alignas(64) static constexpr std::uint32_t order[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
        return hn::BitCast(CodeBytes(),
                           hn::TableLookupLanes(hn::BitCast(quads, bytes), hn::SetTableIndices(quads, order)));
    }
#endif
    return bytes;
}

/// Codes of registers of values, and which of them comparing has to decide: a bit each, number place_of_bit() of the value.
struct DoubtfulCodes {
    ByteVector codes;
    std::uint64_t doubtful;
};

#if HWY_TARGET <= HWY_AVX3
/// Two registers of words come from four of floats in the order of the processor's.
HWY_INLINE std::size_t place_of_bit(std::size_t bit) {
    constexpr std::size_t lanes = hn::MaxLanes(Floats());
    return (bit / 32 * 2 + bit / 4 % 2) * lanes + bit % 32 / 8 * 4 + bit % 4;
}

/// The tables of LevelBins in a register, where words are looked up in one: those of fine cells.
class CellCodes {
  public:
    static constexpr float cells_of_place = LevelBins::fine_cells;

    explicit CellCodes(LevelBins const& bins) : steps_(hn::LoadU(UnsignedCodeWords(), bins.steps)) {}

    /// Codes of four registers' values, whose cells are source.cells(first, 0) to source.cells(first, 3).
    template <class Source>
    HWY_INLINE DoubtfulCodes operator()(Source const& source, std::size_t first) const {
        UnsignedCodeWords const d;
        CodeWords const numbers;
        auto const stepped = [&](std::size_t q) KVSTONE_INNER {
            // What lies outside goes to the ends, which is right, and what is no number to the very first cell: in doubt.
            auto const cells =
                hn::BitCast(d, hn::ReorderDemote2To(numbers, source.cells(first, q), source.cells(first, q + 1)));
            auto const bin =
                hn::ShiftRight<LevelBins::fine_bits>(cells);  // of five bits, and bins below 0 behind the others
            return hn::Add(cells, hn::TableLookupLanes(steps_, hn::IndicesFromVec(d, bin)));
        };
        auto const low = stepped(0);
        auto const high = stepped(2);
        auto const codes = [&](auto words) KVSTONE_INNER {
            return hn::BitCast(numbers, hn::ShiftRight<LevelBins::fine_bits>(words));
        };
        auto const certain = [&](auto words) KVSTONE_INNER {
            return hn::BitsFromMask(d, hn::TestBit(words, hn::Set(d, LevelBins::fine_cells_of_bin - 1)));
        };
        return {in_order(hn::ReorderDemote2To(CodeBytes(), codes(low), codes(high))),
                ~(certain(low) | certain(high) << 32)};
    }

  private:
    hn::Vec<UnsignedCodeWords> steps_;
};
#else
HWY_INLINE std::size_t place_of_bit(std::size_t bit) {
    constexpr std::size_t lanes = hn::MaxLanes(Floats());
    return bit / 4 % 4 * lanes + bit / 16 * 4 + bit % 4;
}

/// The tables of LevelBins in registers.
class CellCodes {
  public:
    static constexpr float cells_of_place = 1;

    explicit CellCodes(LevelBins const& bins)
        : cells_{load(bins.cells), load(bins.cells + 16)}, before_{load(bins.before), load(bins.before + 16)} {}

    /// Codes of four registers' values, whose cells are source.cells(first, 0) to source.cells(first, 3).
    template <class Source>
    HWY_INLINE DoubtfulCodes operator()(Source const& source, std::size_t first) const {
        CodeBytes const d;
        SignedCodeBytes const numbers;
        CodeWords const words;
        auto const low = hn::ReorderDemote2To(words, source.cells(first, 0), source.cells(first, 1));
        auto const high = hn::ReorderDemote2To(words, source.cells(first, 2), source.cells(first, 3));
        auto const bin = hn::ReorderDemote2To(numbers, hn::ShiftRight<8>(low), hn::ShiftRight<8>(high));
        auto const part = hn::Set(words, 255);
        auto const cell = hn::BitCast(
            numbers, hn::Xor(hn::ReorderDemote2To(d, hn::And(low, part), hn::And(high, part)), hn::Set(d, 0x80)));
        // A byte with its first bit set looks up 0. Bins below 0 have that bit, and the others in the second table.
        auto const last = hn::Set(numbers, LevelBins::bins / 2 - 1);
        auto const within = hn::BitCast(d, hn::Max(hn::Min(bin, last), hn::Not(last)));
        auto below_zero = hn::Xor(within, hn::Set(d, 0x80));
#if !HWY_ARCH_X86
        below_zero = hn::And(below_zero, hn::Set(d, 0x8f));  // elsewhere any number above 15 looks up 0
#endif
        auto const look_up = [&](ByteVector const(&tables)[2]) KVSTONE_INNER {
            return hn::Or(hn::TableLookupBytesOr0(tables[0], within), hn::TableLookupBytesOr0(tables[1], below_zero));
        };
        auto const threshold = hn::BitCast(numbers, look_up(cells_));
        auto const before = look_up(before_);
        auto const above = hn::VecFromMask(numbers, hn::Gt(cell, threshold));
        // Bins without a threshold have a bit in front of the number.
        auto const outside = hn::VecFromMask(numbers, hn::Eq(bin, hn::Set(numbers, -128)));
        auto const same = hn::VecFromMask(numbers, hn::Eq(cell, threshold));
        auto const doubtful = hn::Or(hn::AndNot(hn::BitCast(numbers, before), same), outside);
#if HWY_ARCH_X86
        auto const bits = hn::BitsFromMask(numbers, hn::MaskFromVec(doubtful));  // of the first bit of each byte
#else
        auto const bits = hn::BitsFromMask(numbers, hn::IsNegative(doubtful));
#endif
        return {in_order(hn::Sub(hn::And(before, hn::Set(d, 15)), hn::BitCast(d, above))), bits};
    }

  private:
    template <class T>
    static HWY_INLINE ByteVector load(T const* table) {
        return hn::LoadDup128(CodeBytes(), reinterpret_cast<std::uint8_t const*>(table));
    }

    ByteVector cells_[2];
    ByteVector before_[2];
};
#endif

/// Codes that comparing has to decide, kept until many others were found: to turn aside for each would take longer.
class Doubts {
  public:
    static constexpr std::size_t most = 64;

    HWY_INLINE void add(std::size_t first, std::uint64_t bits) {
        firsts_[count_] = first;
        bits_[count_] = bits;
        count_ += bits != 0 ? 1 : 0;
    }
    /// Calls decide(i) for each value that is in doubt.
    template <class Decide>
    HWY_INLINE void decide_all(Decide const& decide) {
        for (std::size_t k = 0; k < count_; ++k) {
            for (auto left = bits_[k]; left != 0; left &= left - 1) {
                decide(firsts_[k] + place_of_bit(static_cast<std::size_t>(__builtin_ctzll(left))));
            }
        }
        count_ = 0;
    }

  private:
    std::size_t count_ = 0;
    std::size_t firsts_[most];
    std::uint64_t bits_[most];
};

/// How many thresholds are below a value, NaN taken for 0: by halving.
HWY_INLINE unsigned compared_code(float const* thresholds, float value) {
    value = value == value ? value : 0.0F;
    unsigned code = 0;
    for (unsigned step = 8; step > 0; step /= 2) code += value > thresholds[code + step - 1] ? step : 0;
    return code;
}

/// Two codes below 16 a byte, the earlier one in the low half.
HWY_INLINE void put_nibbles(ByteVector codes, std::byte* to) {
    hn::Half<CodeBytes> const half;
    hn::Repartition<std::uint16_t, CodeBytes> const pairs;
    auto const both = hn::BitCast(pairs, codes);
    hn::StoreU(hn::TruncateTo(half, hn::Or(both, hn::ShiftRight<4>(both))), half, reinterpret_cast<std::uint8_t*>(to));
}

/// Rows of codes, two a byte.
struct NibbleRow {
    std::byte* to;

    HWY_INLINE void put(std::size_t first, ByteVector codes) const { put_nibbles(codes, to + first / 2); }
    /// The code behind those that were put.
    HWY_INLINE void put_next(std::size_t i, unsigned code) const {
        if (i % 2 == 0) to[i / 2] = std::byte{0};
        put_one(i, code);
    }
    HWY_INLINE void put_one(std::size_t i, unsigned code) const {
        auto const place = i % 2 * 4;
        auto const others = i % 2 == 0 ? 0xf0U : 0x0fU;
        to[i / 2] = static_cast<std::byte>((static_cast<unsigned>(to[i / 2]) & others) | code << place);
    }
};
/// Codes of `count` values of `source` to `row`. source.ask_ahead(i) is called before those from i on are read,
/// source.codes(coder, i) finds some, and source.code(i) is the code of value i by comparing.
template <class Source>
HWY_INLINE void code_row(CellCodes const& coder, Source const& source, std::size_t count, NibbleRow const& row) {
    Doubts doubts;
    auto const in_pairs = count / 2 * 2;
    bool const by_vectors = in_pairs >= codes_at_once;
    std::size_t i = 0;
    while (by_vectors && i < in_pairs) {
        auto const end = in_pairs - i < Doubts::most * codes_at_once ? in_pairs : i + Doubts::most * codes_at_once;
        for (; i < end; i += codes_at_once) {
            // The last ones of a row may be found again.
            auto const first = i + codes_at_once <= in_pairs ? i : in_pairs - codes_at_once;
            source.ask_ahead(first);
            auto const found = source.codes(coder, first);
            row.put(first, found.codes);
            doubts.add(first, found.doubtful);
        }
        doubts.decide_all([&](std::size_t of) KVSTONE_INNER { row.put_one(of, source.code(of)); });
    }
    for (i = by_vectors ? in_pairs : 0; i < count; ++i) row.put_next(i, source.code(i));
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
