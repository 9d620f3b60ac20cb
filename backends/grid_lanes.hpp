#pragma once
// Between floats and the codes of a uniform grid, register by register.
//
// `group` consecutive values share an origin and a step: 1, 0 where all do, or a multiple of 16. Functions return how many
// values they took, as many as fill registers; the rest is for plain loops, which have the same results.

#include <cstdint>
#include <cstring>

#include "backends/wide_lanes.hpp"

namespace kvstone {

#ifdef KVSTONE_WIDE_LANES

/// The entries of `table` for the sixteen values from `first` on, which starts a register.
template <unsigned group>
inline __m512 of_group(float const* table, std::uint64_t first) {
    static_assert(group <= 1 || group % 16 == 0);
    if constexpr (group == 1) return _mm512_loadu_ps(table + first);
    return _mm512_set1_ps(table[group == 0 ? 0 : first / group]);
}

/// round((value - zero) * inverse), at most `most`; what is far below becomes the least integer. NaN counts as 0.
template <unsigned group, bool with_sign>
inline __m512i grid_numbers(float const* values, std::uint64_t first, float const* zero, float const* inverse,
                            __m512 most) {
    constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    auto number = load_lanes(values + first);
    if constexpr (with_sign) {
        number = without_nan(_mm512_mul_ps(number, of_group<group>(inverse, first)));
    } else {
        number = _mm512_sub_ps(without_nan(number), of_group<group>(zero, first));
        number = _mm512_mul_ps(number, of_group<group>(inverse, first));
    }
    // Of a NaN (0 times Inf) the second operand stays, and becomes the least integer.
    return _mm512_cvt_roundps_epi32(_mm512_min_ps(most, number), nearest);
}

/// codes[i] = the code of values[i], `bits` wide: from 0 to 2^bits - 1, or with a sign, from -(2^(bits-1) - 1) to that, as
/// two's complement; zero is 0 then.
template <unsigned group, bool with_sign>
inline std::uint64_t grid_codes_in_lanes(float const* values, std::uint64_t count, float const* zero,
                                         float const* inverse, unsigned bits, std::uint8_t* codes) {
    int const most = (1 << (with_sign ? bits - 1 : bits)) - 1;
    auto const limit = _mm512_set1_ps(static_cast<float>(most));
    std::uint64_t done = 0;
    for (; done + 64 <= count; done += 64) {
        __m512i numbers[4];
        for (unsigned r = 0; r < 4; ++r) {
            numbers[r] = grid_numbers<group, with_sign>(values, done + 16 * r, zero, inverse, limit);
        }
        auto packed = bytes_of<with_sign>(numbers);
        if constexpr (with_sign) {
            packed = _mm512_max_epi8(packed, _mm512_set1_epi8(static_cast<char>(-most)));
            packed = _mm512_and_si512(packed, _mm512_set1_epi8(static_cast<char>((1 << bits) - 1)));
        }
        _mm512_storeu_si512(codes + done, packed);
    }
    return done;
}
template <unsigned group, bool with_sign>
inline std::uint64_t grid_codes_in_lanes(float const* values, std::uint64_t count, float const* zero,
                                         float const* inverse, unsigned bits, std::uint16_t* codes) {
    int const most = (1 << (with_sign ? bits - 1 : bits)) - 1;
    auto const limit = _mm512_set1_ps(static_cast<float>(most));
    auto const least = _mm512_set1_epi16(static_cast<short>(with_sign ? -most : 0));
    auto const mask = _mm512_set1_epi16(static_cast<short>((1 << bits) - 1));
    std::uint64_t done = 0;
    for (; done + 32 <= count; done += 32) {
        auto const low = grid_numbers<group, with_sign>(values, done, zero, inverse, limit);
        auto const high = grid_numbers<group, with_sign>(values, done + 16, zero, inverse, limit);
        auto const packed = _mm512_max_epi16(halves_of(low, high), least);
        _mm512_storeu_si512(codes + done, _mm512_and_si512(packed, mask));
    }
    return done;
}

/// values[i] = zero + number * scale of the code; `streaming` as in store_lanes().
template <unsigned group, bool with_sign>
inline std::uint64_t grid_values_in_lanes(std::uint8_t const* codes, std::uint64_t count, float const* zero,
                                          float const* scale, unsigned bits, float* values, bool streaming) {
    std::uint64_t done = 0;
    auto const sign = _mm_set1_epi8(static_cast<char>(1 << (bits - 1)));
    for (; done + 16 <= count; done += 16) {
        auto const bytes = _mm_loadu_si128(reinterpret_cast<__m128i const*>(codes + done));
        auto const numbers = with_sign ? _mm512_cvtepi8_epi32(_mm_sub_epi8(_mm_xor_si128(bytes, sign), sign))
                                       : _mm512_cvtepu8_epi32(bytes);
        auto const product = _mm512_cvtepi32_ps(numbers);
        auto const factor = of_group<group>(scale, done);
        auto const value = with_sign ? _mm512_mul_ps(product, factor)
                                     : _mm512_fmadd_ps(product, factor, of_group<group>(zero, done));
        store_lanes(values + done, value, streaming);
    }
    return done;
}
template <unsigned group, bool with_sign>
inline std::uint64_t grid_values_in_lanes(std::uint16_t const* codes, std::uint64_t count, float const* zero,
                                          float const* scale, unsigned bits, float* values, bool streaming) {
    std::uint64_t done = 0;
    auto const sign = _mm256_set1_epi16(static_cast<short>(1 << (bits - 1)));
    for (; done + 16 <= count; done += 16) {
        auto const words = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(codes + done));
        auto const numbers = with_sign ? _mm512_cvtepi16_epi32(_mm256_sub_epi16(_mm256_xor_si256(words, sign), sign))
                                       : _mm512_cvtepu16_epi32(words);
        auto const product = _mm512_cvtepi32_ps(numbers);
        auto const factor = of_group<group>(scale, done);
        auto const value = with_sign ? _mm512_mul_ps(product, factor)
                                     : _mm512_fmadd_ps(product, factor, of_group<group>(zero, done));
        store_lanes(values + done, value, streaming);
    }
    return done;
}
#endif

/// Everywhere else, and for other types.
template <unsigned group, bool with_sign, class T, class Code>
KOKKOS_INLINE_FUNCTION std::uint64_t grid_codes_in_lanes(T const*, std::uint64_t, float const*, float const*, unsigned,
                                                         Code*) {
    return 0;
}
template <unsigned group, bool with_sign, class T, class Code>
KOKKOS_INLINE_FUNCTION std::uint64_t grid_values_in_lanes(Code const*, std::uint64_t, float const*, float const*,
                                                          unsigned, T*, bool) {
    return 0;
}

}  // namespace kvstone
