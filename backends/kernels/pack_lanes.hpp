#pragma once
// Codes of some widths packed without gaps and back, 64 at a time, where registers can do it in a few steps.
//
// The format is that of codecs/kernels/bit_packing.hpp: code i takes bits [i b, (i+1) b), the lowest bit of a byte first.

#include <cstddef>
#include <cstdint>

#include "backends/kernels/wide_lanes.hpp"

namespace kvstone {

/// Whether pack_in_lanes() and unpack_in_lanes() are there for codes of `bits` bits.
template <unsigned bits>
inline constexpr bool packs_in_lanes =
#if defined(KVSTONE_WIDE_LANES) && defined(__AVX512VBMI2__)
    bits == 2 || bits == 4 || bits == 10 || bits == 12;
#elif defined(KVSTONE_WIDE_LANES)
    bits == 2 || bits == 4;
#else
    false;
#endif

#ifdef KVSTONE_WIDE_LANES

/// 64 codes of 2 or 4 bits, one a byte, to 8 `bits` bytes.
template <unsigned bits>
inline void pack_in_lanes(std::uint8_t const* codes, std::byte* packed) {
    auto const bytes = _mm512_loadu_si512(codes);
    // Neighbours come together as sums of products: low + (high << bits).
    auto const pairs = _mm512_maddubs_epi16(bytes, _mm512_set1_epi16((1 << (8 + bits)) | 1));
    if constexpr (bits == 4) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(packed), _mm512_cvtepi16_epi8(pairs));
    } else {
        auto const fours = _mm512_madd_epi16(pairs, _mm512_set1_epi32((16 << 16) | 1));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(packed), _mm512_cvtepi32_epi8(fours));
    }
}
template <unsigned bits>
inline void unpack_in_lanes(std::byte const* packed, std::uint8_t* codes) {
    if constexpr (bits == 4) {
        auto const bytes = _mm512_cvtepu8_epi16(_mm256_loadu_si256(reinterpret_cast<__m256i const*>(packed)));
        auto const spread = _mm512_or_si512(bytes, _mm512_slli_epi16(bytes, 4));
        _mm512_storeu_si512(codes, _mm512_and_si512(spread, _mm512_set1_epi8(15)));
    } else {
        auto const bytes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<__m128i const*>(packed)));
        auto const pairs = _mm512_or_si512(bytes, _mm512_slli_epi32(bytes, 12));
        auto const fours = _mm512_or_si512(pairs, _mm512_slli_epi32(pairs, 6));
        _mm512_storeu_si512(codes, _mm512_and_si512(fours, _mm512_set1_epi8(3)));
    }
}

#ifdef __AVX512VBMI2__
/// Of each eight bytes those that four codes of `bits` bits fill.
template <unsigned bits>
inline constexpr std::uint64_t bytes_of_four_codes = ((std::uint64_t{1} << bits / 2) - 1) * 0x0101010101010101U;

/// 64 codes of 10 or 12 bits, one in 16, to 8 `bits` bytes.
template <unsigned bits>
inline void pack_in_lanes(std::uint16_t const* codes, std::byte* packed) {
    constexpr unsigned half_bytes = 4 * bits;
    for (unsigned half = 0; half < 2; ++half) {
        auto const words = _mm512_loadu_si512(codes + 32 * half);
        auto const pairs = _mm512_madd_epi16(words, _mm512_set1_epi32((1 << (16 + bits)) | 1));
        auto const low = _mm512_and_si512(pairs, _mm512_set1_epi64(0xffffffff));
        auto const fours = _mm512_or_si512(low, _mm512_slli_epi64(_mm512_srli_epi64(pairs, 32), 2 * bits));
        _mm512_mask_storeu_epi8(packed + half * half_bytes, (std::uint64_t{1} << half_bytes) - 1,
                                _mm512_maskz_compress_epi8(bytes_of_four_codes<bits>, fours));
    }
}
template <unsigned bits>
inline void unpack_in_lanes(std::byte const* packed, std::uint16_t* codes) {
    constexpr unsigned half_bytes = 4 * bits;
    auto const mask = _mm512_set1_epi16((1 << bits) - 1);
    for (unsigned half = 0; half < 2; ++half) {
        auto const bytes = _mm512_maskz_loadu_epi8((std::uint64_t{1} << half_bytes) - 1, packed + half * half_bytes);
        auto const fours = _mm512_maskz_expand_epi8(bytes_of_four_codes<bits>, bytes);
        // Two codes to each half of 64 bits, then one to each half of those; what lies above a code is masked.
        auto const low = _mm512_and_si512(fours, _mm512_set1_epi64((std::int64_t{1} << 2 * bits) - 1));
        auto const pairs = _mm512_or_si512(low, _mm512_slli_epi64(_mm512_srli_epi64(fours, 2 * bits), 32));
        auto const ones = _mm512_or_si512(_mm512_and_si512(pairs, _mm512_set1_epi32((1 << bits) - 1)),
                                          _mm512_slli_epi32(_mm512_srli_epi32(pairs, bits), 16));
        _mm512_storeu_si512(codes + 32 * half, _mm512_and_si512(ones, mask));
    }
}
#endif
#endif

}  // namespace kvstone
