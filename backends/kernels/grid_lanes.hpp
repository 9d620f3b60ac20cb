#pragma once
// Between floats and the codes of a uniform grid, one value or one register at a time.
//
// code = round((value - origin) / step), between 0 and 2^bits - 1 without a sign; with a sign the origin is 0 and codes lie
// between -(2^(bits-1) - 1) and that, as two's complement. NaN counts as 0, to nearest, ties to even.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/nearest_element.hpp"
#include "backends/kernels/wide_lanes.hpp"

namespace kvstone {

/// Codes of values with an origin and a factor, one over the step, from tables of them.
template <bool with_sign_>
struct GridCodes {
    static constexpr bool with_sign = with_sign_;
    unsigned bits;
    float const* zero;
    float const* inverse;

    KOKKOS_INLINE_FUNCTION std::uint32_t mask() const { return (1U << bits) - 1U; }
    KOKKOS_INLINE_FUNCTION float most() const { return static_cast<float>((1U << (with_sign ? bits - 1 : bits)) - 1U); }
    KOKKOS_INLINE_FUNCTION float least() const { return with_sign ? -most() : 0.0F; }

    /// Of a value that entry `at` of the tables is for; bits above the code's are any.
    KOKKOS_FORCEINLINE_FUNCTION std::uint32_t operator()(std::uint64_t at, float value) const {
        if constexpr (!with_sign) value = (value == value ? value : 0.0F) - zero[at];
        float code = value * inverse[at];
        if constexpr (with_sign) code = code == code ? code : 0.0F;
        code = code > most() ? most() : code;
        code = code < least() ? least() : code;
        // Adding 1.5 x 2^23 rounds to a whole number, which the low bits then hold as two's complement.
        return Kokkos::bit_cast<std::uint32_t>(code + 12582912.0F);
    }

#ifdef KVSTONE_WIDE_LANES
    /// The codes as whole numbers: without a sign those below 0 are for the caller to raise.
    __m512i operator()(__m512 zeros, __m512 inverses, __m512 values) const {
        constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
        auto const largest = _mm512_set1_ps(most());
        if constexpr (with_sign) {
            auto const number = without_nan(_mm512_mul_ps(values, inverses));
            return _mm512_cvt_roundps_epi32(_mm512_max_ps(_mm512_set1_ps(least()), _mm512_min_ps(largest, number)),
                                            nearest);
        } else {
            auto const number = _mm512_mul_ps(_mm512_sub_ps(without_nan(values), zeros), inverses);
            // Of a NaN (0 times Inf) the second operand stays, and becomes the least integer.
            return _mm512_cvt_roundps_epi32(_mm512_min_ps(largest, number), nearest);
        }
    }
    __m512i operator()(std::uint64_t at, __m512 values) const {
        return (*this)(_mm512_set1_ps(zero[at]), _mm512_set1_ps(inverse[at]), values);
    }
#endif
};

#ifdef KVSTONE_WIDE_LANES
/// Sixteen codes as numbers.
template <bool with_sign>
inline __m512 grid_numbers(std::uint8_t const* codes, unsigned bits) {
    auto const bytes = _mm_loadu_si128(reinterpret_cast<__m128i const*>(codes));
    if constexpr (!with_sign) return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
    auto const sign = _mm_set1_epi8(static_cast<char>(1 << (bits - 1)));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_sub_epi8(_mm_xor_si128(bytes, sign), sign)));
}
template <bool with_sign>
inline __m512 grid_numbers(std::uint16_t const* codes, unsigned bits) {
    auto const words = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(codes));
    if constexpr (!with_sign) return _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(words));
    auto const sign = _mm256_set1_epi16(static_cast<short>(1 << (bits - 1)));
    return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_sub_epi16(_mm256_xor_si256(words, sign), sign)));
}

/// Entries of a table for sixteen values from `first` on: those of each value, or the one of all.
template <bool of_each>
inline __m512 entries(float const* table, std::uint64_t first) {
    if constexpr (of_each) return _mm512_loadu_ps(table + first);
    return _mm512_set1_ps(*table);
}
#endif

/// codes[i] = the code of values[i]; origins and steps are those of all, or `of_each` one for each value.
template <bool of_each, class Grid, class T, class Code>
KOKKOS_FORCEINLINE_FUNCTION void grid_codes(Grid const& grid, T const* __restrict__ values, std::uint64_t count,
                                            Code* __restrict__ codes) {
    std::uint64_t done = 0;
#ifdef KVSTONE_WIDE_LANES
    if constexpr (std::is_same_v<T, float>) {
        done = store_codes_in_lanes<Grid::with_sign>(count, grid.mask(), codes, [&](std::uint64_t i) -> __m512i {
            // Where each value has a step of its own, values were read before.
            auto const sixteen = of_each ? _mm512_loadu_ps(values + i) : load_lanes(values + i);
            return grid(entries<of_each>(grid.zero, i), entries<of_each>(grid.inverse, i), sixteen);
        });
    }
#endif
    auto const mask = static_cast<Code>(grid.mask());
    constexpr std::uint64_t block = 32;
    for (; done < count; done += block) {
        std::uint32_t words[block];
        auto const now = count - done < block ? count - done : block;
        if (now == block) {
            for (std::uint64_t i = 0; i < block; ++i)
                words[i] = grid(of_each ? done + i : 0, to_float(values[done + i]));
            for (std::uint64_t i = 0; i < block; ++i) codes[done + i] = static_cast<Code>(words[i]) & mask;
        } else {
            for (std::uint64_t i = 0; i < now; ++i) words[i] = grid(of_each ? done + i : 0, to_float(values[done + i]));
            for (std::uint64_t i = 0; i < now; ++i) codes[done + i] = static_cast<Code>(words[i]) & mask;
        }
    }
}

/// values[i] = origin + number * step of code i, `of_each` as in grid_codes(). Past the cache where `streaming`, and
/// `values` starts a cache line.
template <bool of_each, bool with_sign, class T, class Code>
KOKKOS_FORCEINLINE_FUNCTION void grid_values(Code const* __restrict__ codes, std::uint64_t count, unsigned bits,
                                             float const* __restrict__ zero, float const* __restrict__ scale,
                                             T* __restrict__ values, bool streaming) {
    std::uint64_t done = 0;
#ifdef KVSTONE_WIDE_LANES
    if constexpr (std::is_same_v<T, float>) {
        for (; done + 16 <= count; done += 16) {
            auto const number = grid_numbers<with_sign>(codes + done, bits);
            auto const step = entries<of_each>(scale, done);
            store_lanes(
                values + done,
                with_sign ? _mm512_mul_ps(number, step) : _mm512_fmadd_ps(number, step, entries<of_each>(zero, done)),
                streaming);
        }
    }
#else
    (void)streaming;
#endif
    auto const sign = with_sign ? 1 << (bits - 1) : 0;
    for (; done < count; ++done) {
        auto const at = of_each ? done : 0;
        auto const product = static_cast<float>((static_cast<std::int32_t>(codes[done]) ^ sign) - sign) * scale[at];
        values[done] = nearest_element<T>(with_sign ? product : zero[at] + product);
    }
}

}  // namespace kvstone
