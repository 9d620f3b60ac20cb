#pragma once
// Uniform quantisation of a group of values: from its range to a step and an origin, and from values to codes.

#include <algorithm>
#include <cfloat>
#include <cstdint>

#include "backends/floats.hpp"
#include "backends/grid_lanes.hpp"
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

    /// Of the ends of `count` groups, finite values, which are taken to lie within +-2^126 so that their widths are finite.
    /// Writes scales and, where asymmetric, zeros.
    KOKKOS_INLINE_FUNCTION void store(float const* __restrict__ least, float const* __restrict__ most,
                                      std::uint64_t count, std::byte* scale_place, std::byte* zero_place,
                                      GridSteps& steps) const {
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
        for (std::uint64_t g = 0; g < count; ++g) {
            float const inverse = 1.0F / scale[g];
            steps.inverse[g] = scale[g] > 0 ? inverse : 0.0F;
        }
    }
    KOKKOS_INLINE_FUNCTION static float within_range(float value) {
        value = value < 0x1p126F ? value : 0x1p126F;
        return value > -0x1p126F ? value : -0x1p126F;
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

    /// The same of `groups` groups of `size` values each.
    template <unsigned size, class T>
    KOKKOS_INLINE_FUNCTION void ranges(GroupPlaces<T const> const& places, std::uint64_t groups, float* least,
                                       float* most) const {
        if (symmetric) {
            group_magnitudes<size>(places, groups, most);
            for (std::uint64_t g = 0; g < groups; ++g) least[g] = -most[g];
        } else {
            group_ends<size>(places, groups, least, most);
        }
    }

    /// The codes of values: NaN is the code nearest to 0, what lies outside the range its nearest end. `group`
    /// consecutive values share an origin and a step; 0: all do.
    template <unsigned group, class T, class Code>
    KOKKOS_FORCEINLINE_FUNCTION void quantise(T const* __restrict__ values, std::uint64_t count,
                                              float const* __restrict__ zero, float const* __restrict__ inverse,
                                              Code* __restrict__ codes) const {
        if (symmetric) {
            quantise_as<group, true>(values, count, zero, inverse, codes);
        } else {
            quantise_as<group, false>(values, count, zero, inverse, codes);
        }
    }
    template <unsigned group, bool with_sign, class T, class Code>
    KOKKOS_FORCEINLINE_FUNCTION void quantise_as(T const* __restrict__ values, std::uint64_t count,
                                                 float const* __restrict__ zero, float const* __restrict__ inverse,
                                                 Code* __restrict__ codes) const {
        constexpr unsigned block = 32;
        auto done = grid_codes_in_lanes<group, with_sign>(values, count, zero, inverse, bits, codes);
        for (; done < count; done += block) {
            auto const now = count - done < block ? count - done : block;
            auto const at = place_of<group>(done);
            if (now == block) {
                some<group, with_sign>(values + done, block, zero + at, inverse + at, codes + done);
            } else {
                some<group, with_sign>(values + done, now, zero + at, inverse + at, codes + done);
            }
        }
    }
    /// Where the origin and step of a value stand.
    template <unsigned group>
    KOKKOS_FORCEINLINE_FUNCTION static std::uint64_t place_of(std::uint64_t value) {
        return group == 0 ? 0 : value / (group == 0 ? 1 : group);
    }
    template <unsigned group, bool with_sign, class T, class Code>
    KOKKOS_FORCEINLINE_FUNCTION void some(T const* __restrict__ values, std::uint64_t count,
                                          float const* __restrict__ zero, float const* __restrict__ inverse,
                                          Code* __restrict__ codes) const {
        float const least = low();
        float const most = high();
        auto const mask = static_cast<Code>((1U << bits) - 1U);
        std::uint32_t words[32];
        for (std::uint64_t i = 0; i < count; ++i) {
            auto const at = place_of<group>(i);
            float value = to_float(values[i]);
            if constexpr (!with_sign) value = value == value ? value : 0.0F;
            float code = with_sign ? value * inverse[at] : (value - zero[at]) * inverse[at];
            if constexpr (with_sign) code = code == code ? code : 0.0F;
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
    /// x' of each code; `group` as in quantise(). Values that fill cache lines go past the cache where `streaming`, and
    /// `values` starts one.
    template <unsigned group, class T, class Code>
    KOKKOS_INLINE_FUNCTION void restore(Code const* __restrict__ codes, std::uint64_t count,
                                        float const* __restrict__ zero, float const* __restrict__ scale,
                                        T* __restrict__ values, bool streaming = false) const {
        auto done = symmetric ? grid_values_in_lanes<group, true>(codes, count, zero, scale, bits, values, streaming)
                              : grid_values_in_lanes<group, false>(codes, count, zero, scale, bits, values, streaming);
        for (; done < count; ++done) {
            auto const at = place_of<group>(done);
            float const product = number(codes[done]) * scale[at];
            values[done] = from_float<T>(symmetric ? product : zero[at] + product);
        }
    }
};

}  // namespace kvstone
