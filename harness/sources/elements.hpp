#pragma once
// Values of any element type on the host, one at a time.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "backends/kv_view.hpp"

namespace kvstone {

/// Bits of one element, widened.
inline std::uint32_t element_bits(ElementType type, std::byte const* data, std::uint64_t index) {
    if (type == ElementType::f32) {
        std::uint32_t bits = 0;
        std::memcpy(&bits, data + index * 4, 4);
        return bits;
    }
    std::uint16_t bits = 0;
    std::memcpy(&bits, data + index * 2, 2);
    return bits;
}

/// Exact: every f16 and bf16 value is a float.
inline float half_to_float(std::uint32_t half) {
    std::uint32_t const sign = (half & 0x8000U) << 16;
    std::uint32_t const magnitude = half & 0x7fffU;
    if (magnitude >= 0x7c00U) return std::bit_cast<float>(sign | 0x7f800000U | (magnitude & 0x3ffU) << 13);
    // Multiplying by 2^112 moves the exponent's bias and normalises denormals at once.
    float const value = std::bit_cast<float>(magnitude << 13) * 0x1p112F;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
}

inline float element_value(ElementType type, std::byte const* data, std::uint64_t index) {
    auto const bits = element_bits(type, data, index);
    if (type == ElementType::f32) return std::bit_cast<float>(bits);
    return type == ElementType::f16 ? half_to_float(bits) : std::bit_cast<float>(bits << 16);
}

/// Bits of an element that are all set where it is infinite or NaN.
constexpr std::uint32_t exponent_mask(ElementType type) {
    return type == ElementType::f32 ? 0x7f800000U : type == ElementType::f16 ? 0x7c00U : 0x7f80U;
}

}  // namespace kvstone
