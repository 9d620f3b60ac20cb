#pragma once
// Least and greatest values of a group.

#include <bit>
#include <cfloat>
#include <cstdint>

#include "backends/function.hpp"
#include "backends/kernels/floats.hpp"

namespace kvstone {

/// Largest magnitude of the finite values; 0 where there is none.
template <class T>
KVSTONE_FUNCTION inline float largest_magnitude(T const* values, std::uint64_t count) {
    std::int32_t most = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        auto const key = std::bit_cast<std::int32_t>(to_float(values[i])) & 0x7fffffff;
        most = key > most ? key : most;
    }
    if (most >= infinity_bits) {
        most = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const key = std::bit_cast<std::int32_t>(to_float(values[i])) & 0x7fffffff;
            if (key < infinity_bits && key > most) most = key;
        }
    }
    return std::bit_cast<float>(most);
}

/// Every `stride`-th value.
template <class T>
struct Strided {
    T* first;
    std::uint64_t stride;
    KVSTONE_FUNCTION T& operator[](std::uint64_t index) const { return first[index * stride]; }
};

/// Least and greatest finite value of a group, neither of them -0; both 0 where there is none. `Values` is a pointer or
/// Strided. Over integers in the order of floats: a minimum over floats, which must mind NaN, does not vectorise.
template <class Values>
KVSTONE_FUNCTION inline void finite_ends(Values const values, std::uint64_t count, float& low, float& high) {
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

/// finite_ends() of each of `channels` channels that stand side by side in `rows` rows, `stride` values apart.
template <class T>
KVSTONE_FUNCTION inline void row_ends(T const* __restrict__ values, std::uint64_t stride, std::uint64_t rows,
                                      std::uint64_t channels, float* __restrict__ low, float* __restrict__ high) {
    for (std::uint64_t c = 0; c < channels; ++c) {
        low[c] = FLT_MAX;
        high[c] = -FLT_MAX;
    }
    for (std::uint64_t row = 0; row < rows; ++row) {
        T const* __restrict__ const from = values + row * stride;
        for (std::uint64_t c = 0; c < channels; ++c) {
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

}  // namespace kvstone
