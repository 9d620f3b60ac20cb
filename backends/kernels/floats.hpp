#pragma once
// Sixteen-bit floating-point numbers as storage, and how kernels read and write them.
//
// Conversions to 16 bits round to nearest, ties to even; NaN stays NaN with its sign, Inf stays Inf, denormals are exact.
// They are written in arithmetic on 32 bits, because loops over that vectorise on every processor: loops over casts of
// _Float16 and __bf16 do not with GCC 16 on AVX-512.

#include <bit>
#include <cstdint>

#ifdef __CUDA_ARCH__
#include <cuda_fp16.h>
#endif

#include "backends/kv_view.hpp"

namespace kvstone {

/// IEEE binary16: sign, 5 bits of exponent, 10 of mantissa.
struct Float16 {
    std::uint16_t bits;
};

/// The upper half of a binary32: sign, 8 bits of exponent, 7 of mantissa.
struct BFloat16 {
    std::uint16_t bits;
};

KVSTONE_FUNCTION inline float to_float(float value) { return value; }

KVSTONE_FUNCTION inline float to_float(Float16 value) {
#ifdef __CUDA_ARCH__
    return __half2float(__ushort_as_half(value.bits));
#else
    // Normal numbers, Inf and NaN: exponent and mantissa move to their places, the exponent gains 224, and a product
    // takes 112 of it back, which leaves the 112 that the biases differ by but keeps Inf and NaN what they are.
    auto const magnitude = static_cast<std::uint32_t>(value.bits & 0x7fffU) << 13;
    float const normal = std::bit_cast<float>(magnitude + (224U << 23)) * 0x1p-112F;
    // Denormals: the mantissa as the last bits of a number from 0.5 on, which is then taken off.
    float const denormal = std::bit_cast<float>((magnitude >> 13) | (126U << 23)) - 0.5F;
    auto const bits =
        magnitude < (1U << 23) ? std::bit_cast<std::uint32_t>(denormal) : std::bit_cast<std::uint32_t>(normal);
    return std::bit_cast<float>(bits | static_cast<std::uint32_t>(value.bits & 0x8000U) << 16);
#endif
}

KVSTONE_FUNCTION inline float to_float(BFloat16 value) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

/// A float as a T: float, Float16 or BFloat16.
template <class T>
KVSTONE_FUNCTION inline T from_float(float value);

template <>
KVSTONE_FUNCTION inline float from_float<float>(float value) {
    return value;
}

template <>
KVSTONE_FUNCTION inline Float16 from_float<Float16>(float value) {
#ifdef __CUDA_ARCH__
    return {__half_as_ushort(__float2half_rn(value))};
#else
    auto const bits = std::bit_cast<std::uint32_t>(value);
    auto const magnitude = bits & 0x7fffffffU;
    // Four times the value, but Inf where it is too large for the format: the first product overflows there.
    float const scaled = std::bit_cast<float>(magnitude) * 0x1p112F * 0x1p-110F;
    // Adding a power of two above the value pushes out, rounded, the bits that do not fit.
    auto const exponent = magnitude & 0x7f800000U;
    auto const least = exponent < (113U << 23) ? 113U << 23 : exponent;
    auto const rounded = std::bit_cast<std::uint32_t>(std::bit_cast<float>(least + 0x07800000U) + scaled);
    auto const code = ((rounded >> 13) & 0x7c00U) + (rounded & 0x0fffU);
    return {static_cast<std::uint16_t>((magnitude > 0x7f800000U ? 0x7e00U : code) | (bits >> 16 & 0x8000U))};
#endif
}

template <>
KVSTONE_FUNCTION inline BFloat16 from_float<BFloat16>(float value) {
    auto const bits = std::bit_cast<std::uint32_t>(value);
    auto const rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
    auto const quiet = (bits >> 16) | 0x40U;
    auto const is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
    return {static_cast<std::uint16_t>(is_nan ? quiet : rounded)};
}

/// Floats as integers in the same order; loops that take their least and greatest vectorise, unlike those over floats,
/// which must mind NaN.
KVSTONE_FUNCTION inline std::int32_t ordered(float value) {
    auto const bits = std::bit_cast<std::int32_t>(value);
    return bits ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(bits >> 31) >> 1);
}
KVSTONE_FUNCTION inline float from_ordered(std::int32_t key) {
    return std::bit_cast<float>(key ^ static_cast<std::int32_t>(static_cast<std::uint32_t>(key >> 31) >> 1));
}
inline constexpr std::int32_t infinity_bits = 0x7f800000;

/// Calls `action(span)` with the view typed as its element type.
template <class Action>
decltype(auto) with_elements(KvView const& view, Action&& action) {
    switch (view.type) {
        case ElementType::f16:
            return action(view.as<Float16>());
        case ElementType::bf16:
            return action(view.as<BFloat16>());
        case ElementType::f32:
            break;
    }
    return action(view.as<float>());
}

template <class T>
KvSpan<T const> read_only(KvSpan<T> span) {
    return {span.data, span.shape, span.strides};
}

}  // namespace kvstone
