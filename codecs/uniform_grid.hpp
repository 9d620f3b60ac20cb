#pragma once
// Uniform quantisation of a group of values: from its range to a step and an origin, and from values to codes.

#include <algorithm>
#include <cfloat>
#include <cstdint>

#include "backends/floats.hpp"
#include "codecs/scales.hpp"

namespace kvstone {

/// Groups that are worked on at a time: their origins and steps as stored, and what the encoding loop needs of them,
/// beside each other, so that loops over them vectorise.
inline constexpr std::uint64_t groups_at_a_time = 256;
struct GridSteps {
    float zero[groups_at_a_time];
    float scale[groups_at_a_time];
    float inverse[groups_at_a_time];
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

    /// Of the ends of `count` groups, finite values, which are taken to lie within +-2^126 so that widths are finite.
    /// Writes scales and, where asymmetric, zeros.
    KOKKOS_INLINE_FUNCTION void store(float const* least, float const* most, std::uint64_t count,
                                      std::byte* scale_place, std::byte* zero_place, GridSteps& steps) const {
        constexpr float end = 0x1p126F;
        float const levels = high();
        for (std::uint64_t g = 0; g < count; ++g) {
            float low = least[g] < -end ? -end : least[g];
            float top = most[g] > end ? end : most[g];
            low = low > end ? end : low;
            top = top < -end ? -end : top;
            float const magnitude = -low > top ? -low : top;
            steps.zero[g] = symmetric ? 0.0F : low;
            steps.scale[g] = symmetric ? magnitude / levels : top / levels - low / levels;
        }
        store_scales(format, steps.scale, count, scale_place);
        if (!symmetric) store_zeros(format, steps.zero, count, zero_place);
        for (std::uint64_t g = 0; g < count; ++g) {
            steps.inverse[g] = steps.scale[g] > 0 ? 1.0F / steps.scale[g] : 0.0F;
        }
    }
    /// What store() left in the planes, but for the inverse.
    KOKKOS_INLINE_FUNCTION void load(std::uint64_t count, std::byte const* scale_place, std::byte const* zero_place,
                                     GridSteps& steps) const {
        load_scales(format, scale_place, count, steps.scale);
        if (symmetric) {
            for (std::uint64_t g = 0; g < count; ++g) steps.zero[g] = 0.0F;
        } else {
            load_zeros(format, zero_place, count, steps.zero);
        }
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

    /// The codes of values: NaN is the code nearest to 0, what lies outside the range its nearest end. Origin and step
    /// are the same for all, or where `stride` is 1 those of each value.
    template <unsigned stride, class T, class Code>
    KOKKOS_FORCEINLINE_FUNCTION void quantise(T const* __restrict__ values, std::uint64_t count,
                                              float const* __restrict__ zero, float const* __restrict__ inverse,
                                              Code* __restrict__ codes) const {
        // Zero has code 0 where symmetric, and there the sum below turns NaN to that by itself.
        if (symmetric) {
            in_blocks<stride, false>(values, count, zero, inverse, codes);
        } else {
            in_blocks<stride, true>(values, count, zero, inverse, codes);
        }
    }
    template <unsigned stride, bool mind_nan, class T, class Code>
    KOKKOS_FORCEINLINE_FUNCTION void in_blocks(T const* __restrict__ values, std::uint64_t count,
                                               float const* __restrict__ zero, float const* __restrict__ inverse,
                                               Code* __restrict__ codes) const {
        constexpr unsigned block = 64;
        std::uint64_t done = 0;
        for (; done + block <= count; done += block) {
            some<stride, mind_nan>(values + done, block, zero + stride * done, inverse + stride * done, codes + done);
        }
        if (done + block / 2 <= count) {
            some<stride, mind_nan>(values + done, block / 2, zero + stride * done, inverse + stride * done,
                                   codes + done);
            done += block / 2;
        }
        if (done < count) {
            some<stride, mind_nan>(values + done, count - done, zero + stride * done, inverse + stride * done,
                                   codes + done);
        }
    }
    template <unsigned stride, bool mind_nan, class T, class Code>
    KOKKOS_FORCEINLINE_FUNCTION void some(T const* __restrict__ values, std::uint64_t count,
                                          float const* __restrict__ zero, float const* __restrict__ inverse,
                                          Code* __restrict__ codes) const {
        float const least = low();
        float const most = high();
        auto const mask = static_cast<Code>((1U << bits) - 1U);
        std::uint32_t words[64];
        for (std::uint64_t i = 0; i < count; ++i) {
            float value = to_float(values[i]);
            if constexpr (mind_nan) value = value == value ? value : 0.0F;
            float code = (value - zero[stride * i]) * inverse[stride * i];
            code = code > most ? most : code;
            code = code < least ? least : code;
            // Adding 1.5 x 2^23 rounds to a whole number, which the low bits then hold as two's complement.
            words[i] = Kokkos::bit_cast<std::uint32_t>(code + 12582912.0F);
        }
        for (std::uint64_t i = 0; i < count; ++i) codes[i] = static_cast<Code>(words[i]) & mask;
    }

    /// One code as a number: b bits of two's complement where symmetric.
    template <class Code>
    KOKKOS_INLINE_FUNCTION float number(Code code) const {
        auto const sign = symmetric ? 1 << (bits - 1) : 0;
        return static_cast<float>((static_cast<std::int32_t>(code) ^ sign) - sign);
    }
    /// x' of each code; `stride` as in quantise().
    template <unsigned stride, class T, class Code>
    KOKKOS_INLINE_FUNCTION void restore(Code const* __restrict__ codes, std::uint64_t count,
                                        float const* __restrict__ zero, float const* __restrict__ scale,
                                        T* __restrict__ values) const {
        for (std::uint64_t i = 0; i < count; ++i) {
            values[i] = from_float<T>(zero[stride * i] + number(codes[i]) * scale[stride * i]);
        }
    }
};

}  // namespace kvstone
