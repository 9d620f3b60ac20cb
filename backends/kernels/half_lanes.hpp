#pragma once
// Rows of binary16 numbers to floats and back, as to_float() and from_float() have it.

#include <cstdint>
#include <cstring>

#include "backends/function.hpp"
#include "backends/kernels/casts.hpp"
#include "backends/kernels/floats.hpp"

namespace kvstone {

/// Rows from this length on are worth a call of code for vector units on the host.
inline constexpr std::uint64_t least_cast_row = 64;

/// values[i] = the number at place + 2 i.
KVSTONE_INLINE_ALWAYS void floats_of_halves(std::byte const* place, std::uint64_t count, float* values) {
#ifndef __CUDA_ARCH__
    if (count >= least_cast_row) return cast_halves(place, values, count);
#endif
    for (std::uint64_t i = 0; i < count; ++i) {
        Float16 half;
        std::memcpy(&half, place + i * sizeof(half), sizeof(half));
        values[i] = to_float(half);
    }
}

/// The number at place + 2 i = values[i], within +-65504.
KVSTONE_INLINE_ALWAYS void saturated_halves_of(float const* values, std::uint64_t count, std::byte* place) {
#ifndef __CUDA_ARCH__
    if (count >= least_cast_row) return cast_saturated(values, place, count);
#endif
    constexpr float most = 65504.0F;
    for (std::uint64_t i = 0; i < count; ++i) {
        float value = values[i];
        value = value > most ? most : value;
        value = value < -most ? -most : value;
        auto const half = from_float<Float16>(value);
        std::memcpy(place + i * sizeof(half), &half, sizeof(half));
    }
}

}  // namespace kvstone
