#pragma once
// What NaN and Inf count as where values are coded together (NonFinite::mixed of codecs/stage.hpp).

#include <cmath>
#include <cstdint>

#include "backends/function.hpp"
#include "backends/kernels/group_ends.hpp"
#include "codecs/kernels/scales.hpp"

namespace kvstone {

/// finite[i] = values[i], but 0 for NaN, and nothing beyond +-most.
template <class T>
KVSTONE_FUNCTION inline void copy_finite(T const* values, std::uint64_t count, float most, float* finite) {
    for (std::uint64_t i = 0; i < count; ++i) {
        float value = to_float(values[i]);
        value = value == value ? value : 0.0F;
        value = value < most ? value : most;
        finite[i] = value > -most ? value : -most;
    }
}

/// The norm of a vector from the sum of its squares, as it is stored: at most 65504.
KVSTONE_FUNCTION inline Float16 stored_norm(double squares) {
    auto const length = std::sqrt(squares);
    return saturated_half(length < 65504 ? static_cast<float>(length) : 65504.0F);
}

}  // namespace kvstone
