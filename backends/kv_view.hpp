#pragma once
// How one K or V tensor lies in memory, whatever the backend.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "backends/function.hpp"

namespace kvstone {

enum class ElementType : std::uint8_t { f32, f16, bf16 };

constexpr std::size_t element_bytes(ElementType type) { return type == ElementType::f32 ? 4 : 2; }
std::string_view name_of(ElementType type);

/// `[layer, head, token, dim]`; head is the *KV* head.
struct KvShape {
    std::uint64_t layers = 0;
    std::uint64_t heads = 0;
    std::uint64_t tokens = 0;
    std::uint64_t dim = 0;

    KVSTONE_FUNCTION std::uint64_t values() const { return layers * heads * tokens * dim; }
    KVSTONE_FUNCTION std::uint64_t vectors() const { return layers * heads * tokens; }
    bool operator==(KvShape const&) const = default;
};

/// Distance, in elements, from one layer, head and token to the next; dim is always contiguous.
struct KvStrides {
    std::uint64_t layer = 0;
    std::uint64_t head = 0;
    std::uint64_t token = 0;

    static KvStrides packed(KvShape const& shape) {
        return {shape.heads * shape.tokens * shape.dim, shape.tokens * shape.dim, shape.dim};
    }
    bool operator==(KvStrides const&) const = default;
};

/// A typed, non-owning box of a tensor, as kernels take it. Cheap to copy.
template <class T>
struct KvSpan {
    T* data = nullptr;
    KvShape shape;
    KvStrides strides;

    /// First value of vector (layer, head, token).
    KVSTONE_FUNCTION T* vector(std::uint64_t layer, std::uint64_t head, std::uint64_t token) const {
        return data + layer * strides.layer + head * strides.head + token * strides.token;
    }
    KVSTONE_FUNCTION T& operator()(std::uint64_t layer, std::uint64_t head, std::uint64_t token,
                                   std::uint64_t channel) const {
        return vector(layer, head, token)[channel];
    }
    /// True where the whole box is one run of shape.values() elements.
    KVSTONE_FUNCTION bool contiguous() const {
        return (shape.tokens <= 1 || strides.token == shape.dim) &&
               (shape.heads <= 1 || strides.head == shape.tokens * shape.dim) &&
               (shape.layers <= 1 || strides.layer == shape.heads * shape.tokens * shape.dim);
    }
};

/// A KvSpan whose element type is known at run time. The memory belongs to a backend and is not owned.
struct KvView {
    void* data = nullptr;
    ElementType type = ElementType::f32;
    KvShape shape;
    KvStrides strides;

    /// Requires type to be T's element type.
    template <class T>
    KvSpan<T> as() const {
        return {static_cast<T*>(data), shape, strides};
    }
    /// The box of `layers x heads x tokens` that starts at the given corner. Requires it to lie inside.
    KvView box(std::uint64_t layer, std::uint64_t head, std::uint64_t token, KvShape const& size) const;
};

}  // namespace kvstone
