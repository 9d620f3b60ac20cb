#include "backends/kv_view.hpp"

namespace kvstone {

std::string_view name_of(ElementType type) {
    switch (type) {
        case ElementType::f32:
            return "f32";
        case ElementType::f16:
            return "f16";
        case ElementType::bf16:
            return "bf16";
    }
    return "unknown";
}

KvView KvView::box(std::uint64_t layer, std::uint64_t head, std::uint64_t token, KvShape const& size) const {
    KvView part = *this;
    auto const first = layer * strides.layer + head * strides.head + token * strides.token;
    part.data = static_cast<std::byte*>(data) + first * element_bytes(type);
    part.shape = size;
    return part;
}

}  // namespace kvstone
