#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "backends/kv_view.hpp"

namespace kvstone {

/// A tensor in host memory, packed as [layer, head, token, dim]; the bytes may be a mapped file.
struct HostTensor {
    ElementType type = ElementType::f32;
    KvShape shape;
    std::shared_ptr<std::byte const> bytes;  ///< shape.values() * element_bytes(type) of them

    std::span<std::byte const> span() const { return {bytes.get(), shape.values() * element_bytes(type)}; }
};

}  // namespace kvstone
