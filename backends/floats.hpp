#pragma once
// Sixteen-bit floating-point numbers as storage, and how kernels read and write them.
//
// Conversions to 16 bits round to nearest, ties to even; NaN stays NaN (its sign and upper payload kept, made quiet),
// Inf stays Inf, denormals are exact. They are written so that loops over them vectorise: the processor's own
// conversion for f16, integer rounding for bf16 (casts of __bf16 do not vectorise).

#include <cstdint>

#include <Kokkos_BitManipulation.hpp>
#include <Kokkos_Macros.hpp>

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

KOKKOS_INLINE_FUNCTION float to_float(float value) { return value; }

KOKKOS_INLINE_FUNCTION float to_float(Float16 value) {
#ifdef __CUDA_ARCH__
    return __half2float(__ushort_as_half(value.bits));
#else
    return static_cast<float>(Kokkos::bit_cast<_Float16>(value.bits));
#endif
}

KOKKOS_INLINE_FUNCTION float to_float(BFloat16 value) {
    return Kokkos::bit_cast<float>(static_cast<std::uint32_t>(value.bits) << 16);
}

/// A float as a T: float, Float16 or BFloat16.
template <class T>
KOKKOS_INLINE_FUNCTION T from_float(float value);

template <>
KOKKOS_INLINE_FUNCTION float from_float<float>(float value) {
    return value;
}

template <>
KOKKOS_INLINE_FUNCTION Float16 from_float<Float16>(float value) {
#ifdef __CUDA_ARCH__
    return {__half_as_ushort(__float2half_rn(value))};
#else
    return {Kokkos::bit_cast<std::uint16_t>(static_cast<_Float16>(value))};
#endif
}

template <>
KOKKOS_INLINE_FUNCTION BFloat16 from_float<BFloat16>(float value) {
    auto const bits = Kokkos::bit_cast<std::uint32_t>(value);
    auto const rounded = (bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16;
    auto const quiet = (bits >> 16) | 0x40U;
    auto const is_nan = (bits & 0x7fffffffU) > 0x7f800000U;
    return {static_cast<std::uint16_t>(is_nan ? quiet : rounded)};
}

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
