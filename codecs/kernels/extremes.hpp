#pragma once
// The largest and the smallest values of a sequence, exactly: thresholds by bisection, each step a count over all.

#include <cmath>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include "codecs/kernels/scales.hpp"

namespace kvstone {

/// The largest values of a sequence: those above `threshold` and the first `ties` of those equal to it. NaN takes no
/// part.
struct Extremes {
    float threshold = 0;
    std::uint64_t ties = 0;
    float next = 0;  ///< the largest of the others, of no meaning where there are none
};

/// ordered(), but the same for either zero.
KOKKOS_INLINE_FUNCTION std::int32_t order_of(float value) { return ordered(value + 0.0F); }

/// Values of a sequence, negated where `sign` is -1. `Values` is a pointer or Strided.
template <class Values>
struct SignedValues {
    Values values;
    float sign;
    KOKKOS_INLINE_FUNCTION float operator[](std::uint64_t index) const { return values[index] * sign; }
};

template <class Values>
KOKKOS_INLINE_FUNCTION std::uint32_t count_from(Values const& values, std::uint64_t length, float threshold) {
    std::uint32_t count = 0;
    for (std::uint64_t i = 0; i < length; ++i) count += values[i] >= threshold ? 1U : 0U;
    return count;
}

/// The largest order_of() below a limit, one from the limit on where there is none. Counted from the limit on and around,
/// so that it is a plain maximum of integers: one of floats, which must mind NaN, or under a condition does not vectorise.
/// A negative NaN counts as less than every number, a positive one as more.
template <class Values>
KOKKOS_INLINE_FUNCTION std::int32_t largest_order_below(Values const& values, std::uint64_t length,
                                                        std::int32_t limit) {
    auto const origin = static_cast<std::uint32_t>(limit);
    std::uint32_t largest = 0;
    for (std::uint64_t i = 0; i < length; ++i) {
        auto const above_origin = static_cast<std::uint32_t>(order_of(values[i])) - origin;
        largest = above_origin > largest ? above_origin : largest;
    }
    return static_cast<std::int32_t>(largest + origin);
}

/// Bit i is set where value first + i, of `count` up to 32, is at least `top` or at most `bottom`.
template <class Values>
KOKKOS_INLINE_FUNCTION std::uint32_t beyond(Values const& values, std::uint64_t first, std::uint64_t count, float top,
                                            float bottom) {
    std::uint32_t bits = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        float const value = values[first + i];
        bits |= value >= top || value <= bottom ? 1U << i : 0U;
    }
    return bits;
}

/// The `count` largest of a sequence of `numbers` numbers and else NaN, 0 < count <= numbers.
template <class Values>
KOKKOS_INLINE_FUNCTION Extremes largest_values(Values const& values, std::uint64_t length, std::uint64_t numbers,
                                               std::uint64_t count) {
    constexpr std::int32_t infinite = 0x7f800000;
    // At least `count` are from `low` on, fewer from `high` on.
    auto low = order_of(-INFINITY);
    auto from_low = numbers;
    auto high = largest_order_below(values, length, infinite + 1) + 1;
    // Values are halved in turn with their order: the one soon finds where they lie dense, the other ends in 32 steps.
    bool halve_values = true;
    while (from_low != count && low + 1 < high) {
        auto middle = static_cast<std::int32_t>((std::int64_t{low} + high) >> 1);
        if (halve_values) {
            auto const top = from_ordered(high - 1);
            auto const bottom = from_ordered(low) == -INFINITY ? 0.0F : from_ordered(low);
            auto const between = order_of(bottom * 0.5F + top * 0.5F);
            if (between > low && between < high) middle = between;
        }
        halve_values = !halve_values;
        std::uint64_t const from_middle = count_from(values, length, from_ordered(middle));
        if (from_middle >= count) {
            low = middle;
            from_low = from_middle;
        } else {
            high = middle;
        }
    }
    Extremes found;
    found.threshold = from_ordered(low);
    if (from_low == count) {
        found.ties = length;
        found.next = from_ordered(largest_order_below(values, length, low));
    } else {
        found.ties = count - count_from(values, length, from_ordered(low + 1));
        found.next = found.threshold;
    }
    return found;
}

}  // namespace kvstone
