// The largest few of some values, all at once: lists of registers that are sorted lane by lane and then merged.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled. To be included after
// hwy/highway.h.

#include <bit>
#include <cmath>
#include <cstdint>

#include "backends/kernels/lanes.hpp"

#if defined(KVSTONE_RANK_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_RANK_LANES_HPP
#undef KVSTONE_RANK_LANES_HPP
#else
#define KVSTONE_RANK_LANES_HPP
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

constexpr std::size_t rank_lanes = hn::MaxLanes(Floats());

/// The place of the lowest bit of some words, of which one is set; it is cleared. Without branches, which would be guessed
/// wrong.
template <std::size_t words>
HWY_INLINE std::uint64_t take_lowest(std::uint64_t (&bits)[words]) {
    std::uint64_t word = words - 1;
    for (auto w = words - 1; w-- > 0;) word = bits[w] != 0 ? w : word;
    auto const index = word * 64 + static_cast<std::uint64_t>(std::countr_zero(bits[word]));
    bits[word] &= bits[word] - 1;
    return index;
}

/// Lists that rise and then fall, or the other way round, become falling ones.
template <std::size_t size, class V>
HWY_INLINE void sort_bitonic(V (&lists)[size]) {
    HWY_UNROLL(4)
    for (std::size_t step = size / 2; step > 0; step /= 2) {
        HWY_UNROLL(8)
        for (std::size_t i = 0; i < size; ++i) {
            if ((i & step) != 0) continue;
            auto const greater_one = hn::Max(lists[i], lists[i + step]);
            lists[i + step] = hn::Min(lists[i], lists[i + step]);
            lists[i] = greater_one;
        }
    }
}

/// Every lane's list, falling.
template <std::size_t size>
HWY_INLINE void sort_lists(FloatVector (&lists)[size]) {
    HWY_UNROLL(4)
    for (std::size_t run = 2; run <= size; run *= 2) {
        HWY_UNROLL(4)
        for (std::size_t step = run / 2; step > 0; step /= 2) {
            HWY_UNROLL(8)
            for (std::size_t i = 0; i < size; ++i) {
                if ((i & step) != 0) continue;
                auto const most = hn::Max(lists[i], lists[i + step]);
                auto const least = hn::Min(lists[i], lists[i + step]);
                bool const falls = (i & run) == 0;
                lists[i] = falls ? most : least;
                lists[i + step] = falls ? least : most;
            }
        }
    }
}

/// The largest of two falling lists, falling.
template <std::size_t size, class V>
HWY_INLINE void merge_lists(V (&lists)[size], V const (&others)[size]) {
    HWY_UNROLL(8)
    for (std::size_t i = 0; i < size; ++i) lists[i] = hn::Max(lists[i], others[size - 1 - i]);
    sort_bitonic(lists);
}

/// The largest of all lanes' lists, falling, in lane 0: the upper half of the lanes is merged into the lower one, until one is
/// left. Vectors of half the size take half the time.
template <std::size_t size, class D>
HWY_INLINE void merge_across(D d, hn::Vec<D> (&lists)[size], float* largest) {
    if constexpr (hn::MaxLanes(D()) > 4) {
        hn::Half<D> const half;
        hn::Vec<decltype(half)> lower[size];
        hn::Vec<decltype(half)> upper[size];
        HWY_UNROLL(8)
        for (std::size_t i = 0; i < size; ++i) {
            lower[i] = hn::LowerHalf(half, lists[i]);
            upper[i] = hn::UpperHalf(half, lists[i]);
        }
        merge_lists(lower, upper);
        merge_across(half, lower, largest);
    } else {
        hn::Vec<D> others[size];
        HWY_UNROLL(8)
        for (std::size_t i = 0; i < size; ++i) others[i] = hn::Shuffle1032(lists[i]);
        merge_lists(lists, others);
        HWY_UNROLL(8)
        for (std::size_t i = 0; i < size; ++i) others[i] = hn::Reverse2(d, lists[i]);
        merge_lists(lists, others);
        HWY_UNROLL(8)
        for (std::size_t i = 0; i < size; ++i) largest[i] = hn::GetLane(lists[i]);
    }
}

/// largest[i] is the i-th largest of read(r) for r < registers, i < size, which hold no NaN.
template <std::size_t size, class Read>
HWY_INLINE void rank_largest(std::size_t registers, Read const& read, float* largest) {
    Floats const d;
    auto const read_lists = [&](std::size_t first, FloatVector(&lists)[size]) HWY_ATTR {
        HWY_UNROLL(8)
        for (std::size_t i = 0; i < size; ++i) {
            lists[i] = first + i < registers ? read(first + i) : hn::Set(d, -INFINITY);
        }
        sort_lists(lists);
    };
    FloatVector lists[size];
    read_lists(0, lists);
    for (std::size_t first = size; first < registers; first += size) {
        FloatVector more[size];
        read_lists(first, more);
        merge_lists(lists, more);
    }
    merge_across(d, lists, largest);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
