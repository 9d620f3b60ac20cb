#pragma once
// Uniform quantisation of a group of values: from its range to a step and an origin, and from values to codes.

#include <algorithm>
#include <cfloat>
#include <cstdint>

#include "backends/function.hpp"
#include "backends/kernels/group_ends.hpp"
#include "backends/kernels/uniform_codes.hpp"
#include "codecs/kernels/scales.hpp"

namespace kvstone {

/// Groups that are worked on at a time: their origins and steps as stored, and what the encoding loop needs of them,
/// beside each other, so that loops over them vectorise.
inline constexpr std::uint64_t groups_at_a_time = 256;
template <std::uint64_t groups = groups_at_a_time>
struct GridSteps {
    float zero[groups];
    float scale[groups];
    float inverse[groups];
};

/// b-bit codes, symmetric about zero or between the ends of a range.
///   symmetric:   s = max |x| / m with m = 2^(b-1) - 1, q = round(x / s) in [-m, m], as b bits of two's complement
///   asymmetric:  z = min x, s = (max x - min x) / m with m = 2^b - 1, q = round((x - z) / s) in [0, m]
///   x' = z + q s (z = 0 where symmetric); round to nearest, ties to even; s and z as stored, after rounding.
struct UniformGrid {
    unsigned bits;
    bool symmetric;
    ScaleFormat format;

    KVSTONE_FUNCTION inline float low() const { return symmetric ? -high() : 0.0F; }
    KVSTONE_FUNCTION inline float high() const {
        return static_cast<float>((1U << (symmetric ? bits - 1 : bits)) - 1U);
    }
    KVSTONE_FUNCTION inline std::uint64_t zero_bytes_of_group() const { return symmetric ? 0 : zero_bytes(format); }

    /// Of the ends of `count` groups, finite values, which are taken to lie within +-2^126 so that their widths are finite.
    /// Writes scales and, where asymmetric, zeros.
    template <std::uint64_t groups>
    KVSTONE_INLINE_ALWAYS void store(float const* __restrict__ least, float const* __restrict__ most,
                                     std::uint64_t count, std::byte* scale_place, std::byte* zero_place,
                                     GridSteps<groups>& steps) const {
        float const levels = high();
        float* __restrict__ const zero = steps.zero;
        float* __restrict__ const scale = steps.scale;
        if (symmetric) {
            for (std::uint64_t g = 0; g < count; ++g) {
                float const below = within_range(-least[g]);
                float const above = within_range(most[g]);
                zero[g] = 0.0F;
                scale[g] = (below > above ? below : above) / levels;
            }
        } else {
            for (std::uint64_t g = 0; g < count; ++g) {
                zero[g] = within_range(least[g]);
                scale[g] = (within_range(most[g]) - zero[g]) / levels;
            }
            store_zeros(format, zero, count, zero_place);
        }
        store_scales(format, scale, count, scale_place);
        float* __restrict__ const inverse = steps.inverse;
        for (std::uint64_t g = 0; g < count; ++g) {
            float const of_scale = 1.0F / scale[g];
            inverse[g] = scale[g] > 0 ? of_scale : 0.0F;
        }
    }
    KVSTONE_FUNCTION static inline float within_range(float value) {
        value = value < 0x1p126F ? value : 0x1p126F;
        return value > -0x1p126F ? value : -0x1p126F;
    }
    /// What store() left in the planes, but for the inverse.
    template <std::uint64_t groups>
    KVSTONE_FUNCTION inline void load(std::uint64_t count, std::byte const* scale_place, std::byte const* zero_place,
                                      GridSteps<groups>& steps) const {
        load_scales(format, scale_place, count, steps.scale);
        if (symmetric) {
            for (std::uint64_t g = 0; g < count; ++g) steps.zero[g] = 0.0F;
        } else {
            load_zeros(format, zero_place, count, steps.zero);
        }
    }
    /// Range of a group of values side by side, as store() takes it.
    template <class T>
    KVSTONE_FUNCTION inline void range(T const* values, std::uint64_t count, float& least, float& most) const {
        if (symmetric) {
            most = largest_magnitude(values, count);
            least = -most;
        } else {
            finite_ends(values, count, least, most);
        }
    }

    /// The codes of values: NaN is the code nearest to 0, what lies outside the range its nearest end. Origin and step
    /// are the same for all, or `of_each` those of each value.
    template <bool of_each, class T, class Code>
    KVSTONE_INLINE_ALWAYS void quantise(T const* __restrict__ values, std::uint64_t count,
                                        float const* __restrict__ zero, float const* __restrict__ inverse,
                                        Code* __restrict__ codes) const {
        if (symmetric) {
            grid_codes<of_each>(GridCodes<true>{bits, zero, inverse}, values, count, codes);
        } else {
            grid_codes<of_each>(GridCodes<false>{bits, zero, inverse}, values, count, codes);
        }
    }
    /// x' of each code, likewise.
    template <bool of_each, class T, class Code>
    KVSTONE_INLINE_ALWAYS void restore(Code const* __restrict__ codes, std::uint64_t count,
                                       float const* __restrict__ zero, float const* __restrict__ scale,
                                       T* __restrict__ values) const {
        if (symmetric) {
            grid_values<of_each, true>(codes, count, bits, zero, scale, values);
        } else {
            grid_values<of_each, false>(codes, count, bits, zero, scale, values);
        }
    }
};

}  // namespace kvstone
