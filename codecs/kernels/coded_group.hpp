#pragma once
// A group of consecutive components of one token, coded over a shift and a scale of its own.

#include <cfloat>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/small_floats.hpp"
#include "codecs/kernels/bit_allocation.hpp"

namespace kvstone {

enum GroupType : std::uint32_t { dropped_group, int2_group, int4_group, fp8_group };
inline constexpr std::uint32_t group_types = 4;

KOKKOS_INLINE_FUNCTION std::uint32_t group_code_bits(std::uint32_t type) {
    return type == dropped_group ? 0U : 1U << type;
}

/// Shift and scale of a group, binary16 each: x = shift + scale * code, codes being 0 to 2^bits - 1, or numbers of E4M3.
struct GroupScale {
    Float16 shift{};
    Float16 scale{};

    KOKKOS_INLINE_FUNCTION std::uint32_t code(float value, std::uint32_t type) const {
        float const number = value == value ? value : 0;
        float const step = to_float(scale);
        float const steps = step > 0 ? (number - to_float(shift)) / step : 0;
        if (type == fp8_group) return small_float_code<E4M3>(steps);
        auto const most = static_cast<float>((1U << group_code_bits(type)) - 1);
        return static_cast<std::uint32_t>(steps > 0 ? (steps < most ? steps + 0.5F : most) : 0.0F);
    }
    KOKKOS_INLINE_FUNCTION float value(std::uint32_t code, std::uint32_t type) const {
        float const steps = type == fp8_group ? small_float_value<E4M3>(code) : static_cast<float>(code);
        // At most 15 bits times 11: exact, so that it makes no difference whether the sum is fused with it.
        return to_float(shift) + to_float(scale) * steps;
    }
};

/// The scale of `size` values; of those that are finite.
KOKKOS_INLINE_FUNCTION GroupScale group_scale(float const* values, std::uint32_t size, std::uint32_t type) {
    float least = FLT_MAX;
    float most = -FLT_MAX;
    for (std::uint32_t i = 0; i < size; ++i) {
        if (!(Kokkos::fabs(values[i]) <= FLT_MAX)) continue;
        least = values[i] < least ? values[i] : least;
        most = values[i] > most ? values[i] : most;
    }
    if (least > most) least = most = 0;
    auto const half = [](float value) {
        return from_float<Float16>(value > 65504 ? 65504 : value < -65504 ? -65504 : value);
    };
    // Halves first: the range may be wider than the largest float.
    float const range = most / 2 - least / 2;
    if (type == fp8_group) return {half(least / 2 + most / 2), half(range / E4M3::largest_value())};
    return {half(least), half(2 * (range / static_cast<float>((1U << group_code_bits(type)) - 1)))};
}

}  // namespace kvstone
