#pragma once
// Uniform quantisation of a group of values: from its range to a step and an origin, and from values to codes.

#include <algorithm>
#include <cfloat>
#include <cstdint>

#include "backends/floats.hpp"
#include "codecs/scales.hpp"

namespace kvstone {

/// Origin and step as stored, and what the encoding loop needs of them.
struct GridStep {
    float zero;
    float scale;
    float inverse;

    KOKKOS_INLINE_FUNCTION static GridStep of(float zero, float scale) {
        return {zero, scale, scale > 0 ? 1.0F / scale : 0.0F};
    }
};

/// b-bit codes, symmetric about zero or between the ends of a range.
///   symmetric:   s = max |x| / m with m = 2^(b-1) - 1, q = round(x / s) in [-m, m], as b bits of two's complement
///   asymmetric:  z = min x, s = (max x - min x) / m with m = 2^b - 1, q = round((x - z) / s) in [0, m]
///   x' = z + q s (z = 0 where symmetric); round to nearest, ties to even; s and z as stored, after rounding.
struct UniformGrid {
    unsigned bits;
    bool symmetric;
    ScaleFormat format;

    KOKKOS_INLINE_FUNCTION float low() const { return symmetric ? -high() : 0.0F; }
    KOKKOS_INLINE_FUNCTION float high() const { return static_cast<float>((1U << (symmetric ? bits - 1 : bits)) - 1U); }
    KOKKOS_INLINE_FUNCTION std::uint64_t zero_bytes_of_group() const { return symmetric ? 0 : zero_bytes(format); }

    /// Of a range of finite values, which is taken to lie within +-2^126 so that its width is finite. Writes scale and,
    /// where asymmetric, zero.
    KOKKOS_INLINE_FUNCTION GridStep store(float least, float most, std::byte* scale_place,
                                          std::byte* zero_place) const {
        constexpr float end = 0x1p126F;
        least = least < -end ? -end : least > end ? end : least;
        most = most < -end ? -end : most > end ? end : most;
        if (symmetric) {
            float const magnitude = -least > most ? -least : most;
            return GridStep::of(0.0F, store_scale(format, magnitude / high(), scale_place));
        }
        float const zero = store_zero(format, least, zero_place);
        return GridStep::of(zero, store_scale(format, most / high() - least / high(), scale_place));
    }
    KOKKOS_INLINE_FUNCTION GridStep load(std::byte const* scale_place, std::byte const* zero_place) const {
        return {symmetric ? 0.0F : load_zero(format, zero_place), load_scale(format, scale_place), 0.0F};
    }
    /// Range of a group of values side by side, as store() takes it.
    template <class T>
    KOKKOS_INLINE_FUNCTION void range(T const* values, std::uint64_t count, float& least, float& most) const {
        if (symmetric) {
            most = largest_magnitude(values, count);
            least = -most;
        } else {
            finite_ends(values, count, least, most);
        }
    }

    /// The low bits of codes[i]: NaN is the code nearest to 0, what lies outside the range its nearest end.
    template <class T, class Code>
    KOKKOS_INLINE_FUNCTION void quantise(T const* values, std::uint64_t count, GridStep const& step,
                                         Code* codes) const {
        float const least = low();
        float const most = high();
        float const origin = -step.zero * step.inverse;
        float const of_nan = origin < least ? least : origin > most ? most : origin;
        auto const mask = static_cast<Code>((1U << bits) - 1U);
        for (std::uint64_t i = 0; i < count; ++i) {
            float code = (to_float(values[i]) - step.zero) * step.inverse;
            code = code > most ? most : code;
            code = code < least ? least : code;
            code = code == code ? code : of_nan;
            // Adding 1.5 x 2^23 rounds to a whole number, which the low bits then hold as two's complement.
            codes[i] = static_cast<Code>(Kokkos::bit_cast<std::uint32_t>(code + 12582912.0F)) & mask;
        }
    }
    /// One code as a number: b bits of two's complement where symmetric.
    template <class Code>
    KOKKOS_INLINE_FUNCTION float number(Code code) const {
        auto const sign = symmetric ? 1 << (bits - 1) : 0;
        return static_cast<float>((static_cast<std::int32_t>(code) ^ sign) - sign);
    }
    template <class T, class Code>
    KOKKOS_INLINE_FUNCTION void restore(Code const* codes, std::uint64_t count, GridStep const& step, T* values) const {
        for (std::uint64_t i = 0; i < count; ++i) values[i] = from_float<T>(step.zero + number(codes[i]) * step.scale);
    }
};

}  // namespace kvstone
