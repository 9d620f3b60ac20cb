#pragma once
// Least and greatest values of a group.

#include <cfloat>
#include <cstdint>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/wide_lanes.hpp"

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

/// Every `stride`-th value.
template <class T>
struct Strided {
    T* first;
    std::uint64_t stride;
    KOKKOS_INLINE_FUNCTION T& operator[](std::uint64_t index) const { return first[index * stride]; }
};

/// Least and greatest finite value of a group, neither of them -0; both 0 where there is none. `Values` is a pointer or
/// Strided. Over integers in the order of floats: a minimum over floats, which must mind NaN, does not vectorise.
template <class Values>
KOKKOS_INLINE_FUNCTION void finite_ends(Values const values, std::uint64_t count, float& low, float& high) {
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

/// Ends of as many of `channels` channels as fill registers, over `rows` rows: of numbers and Inf. Half of the rows that
/// follow are asked for meanwhile. Returns how many channels.
inline std::uint64_t row_ends_in_lanes(float const* values, std::uint64_t stride, std::uint64_t rows,
                                       std::uint64_t channels, float* low, float* high) {
    constexpr unsigned together = 4;
    std::uint64_t done = 0;
    for (; done + 16 * together <= channels; done += 16 * together) {
        __m512 lows[together];
        __m512 highs[together];
        for (unsigned c = 0; c < together; ++c) {
            lows[c] = _mm512_set1_ps(FLT_MAX);
            highs[c] = _mm512_set1_ps(-FLT_MAX);
        }
        for (std::uint64_t row = 0; row < rows; ++row) {
            auto const* const from = values + row * stride + done;
            for (unsigned c = 0; c < together; ++c) {
                if (c % 2 == 0) prefetch_line(from + rows * stride + 16 * c);
                auto const value = _mm512_loadu_ps(from + 16 * c);
                lows[c] = _mm512_min_ps(value, lows[c]);
                highs[c] = _mm512_max_ps(value, highs[c]);
            }
        }
        for (unsigned c = 0; c < together; ++c) {
            _mm512_storeu_ps(low + done + 16 * c, lows[c]);
            _mm512_storeu_ps(high + done + 16 * c, highs[c]);
        }
    }
    return done;
}
#endif

/// Everywhere else, and for other types.
template <class T>
KOKKOS_INLINE_FUNCTION std::uint64_t row_ends_in_lanes(T const*, std::uint64_t, std::uint64_t, std::uint64_t, float*,
                                                       float*) {
    return 0;
}
template <class T>
KOKKOS_INLINE_FUNCTION std::uint64_t widen_in_lanes(T const*, std::uint64_t, float&, float&) {
    return 0;
}

/// finite_ends() of each of `channels` channels that stand side by side in `rows` rows, `stride` values apart.
template <class T>
KOKKOS_INLINE_FUNCTION void row_ends(T const* __restrict__ values, std::uint64_t stride, std::uint64_t rows,
                                     std::uint64_t channels, float* __restrict__ low, float* __restrict__ high) {
    auto const wide = row_ends_in_lanes(values, stride, rows, channels, low, high);
    for (auto c = wide; c < channels; ++c) {
        low[c] = FLT_MAX;
        high[c] = -FLT_MAX;
    }
    for (std::uint64_t row = 0; row < rows; ++row) {
        T const* __restrict__ const from = values + row * stride;
        for (auto c = wide; c < channels; ++c) {
            float const value = to_float(from[c]);
            low[c] = value < low[c] ? value : low[c];
            high[c] = value > high[c] ? value : high[c];
        }
    }
    std::uint32_t odd = 0;
    for (std::uint64_t c = 0; c < channels; ++c) {
        odd |= (low[c] < -FLT_MAX || high[c] > FLT_MAX || low[c] > high[c]) ? 1U : 0U;
        low[c] += 0.0F;
        high[c] += 0.0F;
    }
    if (odd == 0) return;
    for (std::uint64_t c = 0; c < channels; ++c) {
        if (low[c] >= -FLT_MAX && high[c] <= FLT_MAX && low[c] <= high[c]) continue;
        finite_ends(Strided<T const>{values + c, stride}, rows, low[c], high[c]);
    }
}

/// Asks for the other half of the lines that row_ends() asks for: those of one row that follows.
template <class T>
KOKKOS_INLINE_FUNCTION void ask_row([[maybe_unused]] T const* row, [[maybe_unused]] std::uint64_t channels) {
#ifdef KVSTONE_WIDE_LANES
    for (std::uint64_t c = 16; c < channels; c += 32) prefetch_line(row + c);
#endif
}

}  // namespace kvstone
