#pragma once
// Values in memory that the host cannot read, for what a stage works out there.

#include <vector>

#include "backends/backend.hpp"
#include "backends/kv_view.hpp"

namespace kvstone {

/// A copy of a box in host memory, packed.
inline std::vector<float> values_on_host(BackendKind kind, KvSpan<float const> values) {
    auto const& shape = values.shape;
    auto const strides = KvStrides::packed(shape);
    std::vector<float> copy(shape.values());
    auto const step = values.strides.token == shape.dim ? shape.tokens : 1;
    for (std::uint64_t l = 0; l < shape.layers; ++l) {
        for (std::uint64_t h = 0; h < shape.heads; ++h) {
            for (std::uint64_t t = 0; t < shape.tokens; t += step) {
                auto* const to = copy.data() + l * strides.layer + h * strides.head + t * strides.token;
                copy_to_host(kind, reinterpret_cast<std::byte*>(to),
                             reinterpret_cast<std::byte const*>(values.vector(l, h, t)),
                             step * shape.dim * sizeof(float));
            }
        }
    }
    return copy;
}

}  // namespace kvstone
