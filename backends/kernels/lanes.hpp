// Whole registers of floats, as kernels use them: the same names for every kind of processor.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled. To be included after
// hwy/highway.h. A register holds at most sixteen floats, one cache line.

#include <cfloat>
#include <cstddef>
#include <cstdint>

#include "backends/kernels/host_stores.hpp"

#if defined(KVSTONE_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_LANES_HPP
#undef KVSTONE_LANES_HPP
#else
#define KVSTONE_LANES_HPP
#endif

#include <hwy/highway.h>

/// HWY_ATTR for lambdas in innermost loops: of those that are called more than once GCC makes functions otherwise.
#ifndef KVSTONE_INNER
#ifdef __OPTIMIZE__
#define KVSTONE_INNER HWY_ATTR __attribute__((always_inline))
#else
#define KVSTONE_INNER HWY_ATTR
#endif
#endif

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::CappedTag<float, 16>;
using Ints = hn::RebindToSigned<Floats>;
using FloatVector = hn::Vec<Floats>;
using IntVector = hn::Vec<Ints>;

/// Floats of a register.
HWY_INLINE std::size_t float_lanes() { return hn::Lanes(Floats()); }

/// Asks for the cache line at `place` in a run that is read from front to back. Processors of AMD see such runs themselves,
/// and questions hold them up: on Zen 4 casts are 1.3 times as fast without, and a copy 1.05 times.
HWY_INLINE void ask_line(void const* place) {
    if (prefetches_first_level) prefetch_line(place);
}
/// The same of what lies some way behind `place`.
HWY_INLINE void ask_stream(void const* place, std::size_t bytes) {
    if (prefetches_first_level) prefetch(static_cast<std::byte const*>(place) + prefetch_distance_bytes, bytes);
}
/// The same of one cache line, where `place` starts one: once a line, whatever the size of registers.
HWY_INLINE void ask_ahead(void const* place) {
    if (!prefetches_first_level) return;
    if (float_lanes() * sizeof(float) == cache_line_bytes ||
        reinterpret_cast<std::uintptr_t>(place) % cache_line_bytes < float_lanes() * sizeof(float)) {
        prefetch_line(static_cast<std::byte const*>(place) + prefetch_distance_bytes);
    }
}

/// A register of floats from `place`, and a word ahead of time about what follows.
HWY_INLINE FloatVector load_ahead(float const* place) {
    ask_ahead(place);
    return hn::LoadU(Floats(), place);
}

/// To `place`: past the cache where `streaming`, which starts a register's size then.
template <bool streaming, class D>
HWY_INLINE void put(hn::Vec<D> values, D d, hn::TFromD<D>* place) {
    if constexpr (streaming) {
        hn::Stream(values, d, place);
    } else {
        hn::StoreU(values, d, place);
    }
}

/// NaN becomes 0; every other value stays.
HWY_INLINE FloatVector without_nan(FloatVector values) { return hn::IfThenElseZero(hn::Eq(values, values), values); }

/// The lesser and the greater of `values` and of numbers met before: NaN in `values` is passed over. (Of two operands one of
/// which is NaN, x86 returns the second, and ARM the number.)
HWY_INLINE FloatVector lesser(FloatVector values, FloatVector low) { return hn::Min(values, low); }
HWY_INLINE FloatVector greater(FloatVector values, FloatVector high) { return hn::Max(values, high); }

/// The nearest whole numbers of values within +-2^31, ties to even; NaN becomes the least integer on x86 and 0 elsewhere.
HWY_INLINE IntVector nearest_ints(FloatVector values) {
#if HWY_ARCH_X86
    return hn::NearestIntInRange(Ints(), values);
#else
    return hn::NearestInt(values);
#endif
}

// How values of 32 bits become codes of fewer: registers' worth of bytes or of 16 bits.

using CodeWords = hn::Repartition<std::int16_t, Ints>;
using CodeBytes = hn::Repartition<std::uint8_t, Ints>;
using SignedCodeBytes = hn::Repartition<std::int8_t, Ints>;
using UnsignedCodeWords = hn::Repartition<std::uint16_t, Ints>;

/// Four registers of whole numbers as one of bytes, in their order: those beyond 0 to 255, or -128 to 127 where `with_sign`,
/// become the nearest end.
template <bool with_sign>
HWY_INLINE hn::Vec<CodeBytes> bytes_of(IntVector a, IntVector b, IntVector c, IntVector d) {
    CodeWords const words;
#if HWY_ARCH_X86
    // Instructions that narrow work within 16 bytes, so that the quarters come out in turn; one permutation mends that.
    hn::Repartition<std::uint32_t, CodeBytes> const quarters;
    constexpr std::size_t lanes = hn::MaxLanes(Ints());
    alignas(64) static constexpr std::uint32_t of_two[8] = {0, 4, 1, 5, 2, 6, 3, 7};
    alignas(64) static constexpr std::uint32_t of_four[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    auto const low = hn::ReorderDemote2To(words, a, b);
    auto const high = hn::ReorderDemote2To(words, c, d);
    hn::Vec<CodeBytes> bytes;
    if constexpr (with_sign) {
        bytes = hn::BitCast(CodeBytes(), hn::ReorderDemote2To(SignedCodeBytes(), low, high));
    } else {
        bytes = hn::ReorderDemote2To(CodeBytes(), low, high);
    }
    if constexpr (lanes == 4) {
        return bytes;
    } else {
        auto const order = hn::SetTableIndices(quarters, lanes == 8 ? of_two : of_four);
        return hn::BitCast(CodeBytes(), hn::TableLookupLanes(hn::BitCast(quarters, bytes), order));
    }
#else
    auto const low = hn::OrderedDemote2To(words, a, b);
    auto const high = hn::OrderedDemote2To(words, c, d);
    if constexpr (with_sign) {
        return hn::BitCast(CodeBytes(), hn::OrderedDemote2To(SignedCodeBytes(), low, high));
    } else {
        return hn::OrderedDemote2To(CodeBytes(), low, high);
    }
#endif
}

/// Two registers of whole numbers as one of 16 bits, likewise.
template <bool with_sign>
HWY_INLINE hn::Vec<UnsignedCodeWords> words_of(IntVector a, IntVector b) {
    if constexpr (with_sign) {
        return hn::BitCast(UnsignedCodeWords(), hn::OrderedDemote2To(CodeWords(), a, b));
    } else {
        return hn::OrderedDemote2To(UnsignedCodeWords(), a, b);
    }
}

#if !HWY_HAVE_SCALABLE
/// Lane g of the result is operation() over all lanes of values[g], of as many registers as one has lanes (4, 8 or 16 of 32
/// bits): neighbours are interleaved and combined, so that every step halves the number of registers. operation() has to be
/// commutative and associative.
template <class D, class Operation>
HWY_INLINE hn::Vec<D> reduce_lanes(D d, hn::Vec<D> const* values, Operation const& operation) {
    using V = hn::Vec<D>;
    constexpr std::size_t lanes = hn::MaxLanes(d);
    hn::Repartition<std::uint64_t, D> const pairs;
    auto const of_two = [&](V a, V b)
                            HWY_ATTR { return operation(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b)); };
    // Each 128 bits of the result: from[0 .. 3], reduced within those 128 bits.
    auto const of_four = [&](V const* from) HWY_ATTR {
        auto const a = hn::BitCast(pairs, of_two(from[0], from[1]));
        auto const b = hn::BitCast(pairs, of_two(from[2], from[3]));
        return operation(hn::BitCast(d, hn::InterleaveLower(pairs, a, b)),
                         hn::BitCast(d, hn::InterleaveUpper(pairs, a, b)));
    };
    if constexpr (lanes == 4) {
        return of_four(values);
    } else {
        auto const halves = [&](V a, V b) HWY_ATTR {
            return operation(hn::ConcatLowerLower(d, b, a), hn::ConcatUpperUpper(d, b, a));
        };
        auto const front = halves(of_four(values), of_four(values + 4));
        if constexpr (lanes == 8) {
            return front;
        } else {
            // 128 bits each, of registers 0 to 3 and of 4 to 7 two: the odd and the even ones come together.
            auto const back = halves(of_four(values + 8), of_four(values + 12));
            alignas(64) static constexpr std::uint64_t even[8] = {0, 1, 4, 5, 8, 9, 12, 13};
            alignas(64) static constexpr std::uint64_t odd[8] = {2, 3, 6, 7, 10, 11, 14, 15};
            auto const x = hn::BitCast(pairs, front);
            auto const y = hn::BitCast(pairs, back);
            auto const evens = hn::TwoTablesLookupLanes(pairs, x, y, hn::SetTableIndices(pairs, even));
            auto const odds = hn::TwoTablesLookupLanes(pairs, x, y, hn::SetTableIndices(pairs, odd));
            return operation(hn::BitCast(d, evens), hn::BitCast(d, odds));
        }
    }
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
