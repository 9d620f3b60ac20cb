#pragma once
// Least and greatest values of a group.

#include <cfloat>
#include <cstdint>

#include "backends/floats.hpp"
#include "backends/wide_lanes.hpp"

namespace kvstone {

/// Largest magnitude of the finite values; 0 where there is none.
template <class T>
KOKKOS_INLINE_FUNCTION float largest_magnitude(T const* values, std::uint64_t count) {
    std::int32_t most = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const key = Kokkos::bit_cast<std::int32_t>(to_float(values[i])) & 0x7fffffff;
        most = key > most ? key : most;
    }
    if (most >= infinity_bits) {
        most = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const key = Kokkos::bit_cast<std::int32_t>(to_float(values[i])) & 0x7fffffff;
            if (key < infinity_bits && key > most) most = key;
        }
    }
    return Kokkos::bit_cast<float>(most);
}

/// Least and greatest finite value of a group, neither of them -0; both 0 where there is none. Over integers in the order
/// of floats: a minimum over floats, which must mind NaN, does not vectorise.
template <class T>
KOKKOS_INLINE_FUNCTION void finite_ends(T const* __restrict__ values, std::uint64_t count, float& low, float& high) {
    std::int32_t least = INT32_MAX;
    std::int32_t most = INT32_MIN;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const key = ordered(to_float(values[i]));
        least = key < least ? key : least;
        most = key > most ? key : most;
    }
    if (most >= infinity_bits || least <= ~infinity_bits) {
        least = INT32_MAX;
        most = INT32_MIN;
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const key = ordered(to_float(values[i]));
            if (key >= infinity_bits || key <= ~infinity_bits) continue;
            least = key < least ? key : least;
            most = key > most ? key : most;
        }
    }
    low = least > most ? 0.0F : from_ordered(least) + 0.0F;
    high = least > most ? 0.0F : from_ordered(most) + 0.0F;
}

#ifdef KVSTONE_WIDE_LANES

/// Widens [low, high], numbers, by as many of `count` values as fill registers, NaN passed over but not Inf; returns how
/// many.
inline std::uint64_t widen_in_lanes(float const* values, std::uint64_t count, float& low, float& high) {
    constexpr unsigned chains = 4;  // each waits for its last step
    __m512 lows[chains];
    __m512 highs[chains];
    for (unsigned c = 0; c < chains; ++c) {
        lows[c] = _mm512_set1_ps(low);
        highs[c] = _mm512_set1_ps(high);
    }
    std::uint64_t done = 0;
    for (; done + 16 * chains <= count; done += 16 * chains) {
        for (unsigned c = 0; c < chains; ++c) {
            // Of a NaN in the first operand these instructions return the second.
            auto const value = load_lanes(values + done + 16 * c);
            lows[c] = _mm512_min_ps(value, lows[c]);
            highs[c] = _mm512_max_ps(value, highs[c]);
        }
    }
    low = _mm512_reduce_min_ps(_mm512_min_ps(_mm512_min_ps(lows[0], lows[1]), _mm512_min_ps(lows[2], lows[3])));
    high = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_max_ps(highs[0], highs[1]), _mm512_max_ps(highs[2], highs[3])));
    return done;
}
#endif

/// Everywhere else, and for other types.
template <class T>
KOKKOS_INLINE_FUNCTION std::uint64_t widen_in_lanes(T const*, std::uint64_t, float&, float&) {
    return 0;
}

}  // namespace kvstone
