#pragma once
// Whole registers of sixteen floats, where the processor has them (AVX-512), for loops that compilers do not turn into
// good code: reductions over many short groups, and between floats and bytes. Kernels built on this have the same results
// from plain loops everywhere else.

#include "backends/function.hpp"
#include "backends/kernels/host_stores.hpp"

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && !defined(__CUDACC__)
#include <immintrin.h>
#define KVSTONE_WIDE_LANES

namespace kvstone {

/// NaN becomes 0; every other value stays.
inline __m512 without_nan(__m512 values) {
    // One answer of four bits for each kind of number: 8 is +0, of quiet NaN and of signalling NaN.
    return _mm512_fixupimm_ps(values, values, _mm512_set1_epi32(0x88), 0);
}

/// Sixteen floats from `place`, and a word ahead of time about what follows.
inline __m512 load_lanes(float const* place) {
    prefetch_line(reinterpret_cast<std::byte const*>(place) + prefetch_distance_bytes);
    return _mm512_loadu_ps(place);
}

/// Sixteen floats to `place`, which starts a cache line where `streaming`: past the cache then.
inline void store_lanes(float* place, __m512 values, bool streaming) {
    if (streaming) {
        _mm512_stream_ps(place, values);
    } else {
        _mm512_storeu_ps(place, values);
    }
}

/// 64 words of 32 bits as bytes in their order, each between 0 and 255, or -128 and 127 where `with_sign`.
template <bool with_sign>
inline __m512i bytes_of(__m512i const (&words)[4]) {
    // Packing works within lanes of 16 bytes, so that the lanes' quarters come out in turn.
    auto const turns = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    auto const low = _mm512_packs_epi32(words[0], words[1]);
    auto const high = _mm512_packs_epi32(words[2], words[3]);
    auto const packed = with_sign ? _mm512_packs_epi16(low, high) : _mm512_packus_epi16(low, high);
    return _mm512_permutexvar_epi32(turns, packed);
}

/// 32 words of 32 bits as words of 16 in their order, each between 0 and 65535, or -32768 and 32767 where `with_sign`.
template <bool with_sign>
inline __m512i halves_of(__m512i low, __m512i high) {
    auto const turns = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    return _mm512_permutexvar_epi64(turns, with_sign ? _mm512_packs_epi32(low, high) : _mm512_packus_epi32(low, high));
}

/// codes[i] = the code of value i, of as many of `count` as fill registers; returns how many. numbers(i) gives those of
/// sixteen values from i on as whole numbers: of those outside the range of a byte (or two) its ends are taken.
template <bool with_sign, class Numbers>
inline std::uint64_t store_codes_in_lanes(std::uint64_t count, std::uint32_t mask, std::uint8_t* codes,
                                          Numbers const& numbers) {
    std::uint64_t done = 0;
    for (; done + 64 <= count; done += 64) {
        __m512i const four[4] = {numbers(done), numbers(done + 16), numbers(done + 32), numbers(done + 48)};
        auto packed = bytes_of<with_sign>(four);
        if constexpr (with_sign) packed = _mm512_and_si512(packed, _mm512_set1_epi8(static_cast<char>(mask)));
        _mm512_storeu_si512(codes + done, packed);
    }
    return done;
}
template <bool with_sign, class Numbers>
inline std::uint64_t store_codes_in_lanes(std::uint64_t count, std::uint32_t mask, std::uint16_t* codes,
                                          Numbers const& numbers) {
    std::uint64_t done = 0;
    for (; done + 32 <= count; done += 32) {
        auto packed = halves_of<with_sign>(numbers(done), numbers(done + 16));
        if constexpr (with_sign) packed = _mm512_and_si512(packed, _mm512_set1_epi16(static_cast<short>(mask)));
        _mm512_storeu_si512(codes + done, packed);
    }
    return done;
}

}  // namespace kvstone
#endif

namespace kvstone {

/// `count` values of a line, or of several, to their place: past the cache where `streaming`, and that starts one.
template <unsigned count, class T>
KVSTONE_INLINE_ALWAYS void store_block(T* place, T const* values, [[maybe_unused]] bool streaming) {
#ifdef KVSTONE_WIDE_LANES
    if constexpr (sizeof(T) == sizeof(float) && count % 16 == 0) {
        for (unsigned i = 0; i < count; i += 16) store_lanes(place + i, _mm512_loadu_ps(values + i), streaming);
        return;
    }
#endif
    for (unsigned i = 0; i < count; ++i) place[i] = values[i];
}

}  // namespace kvstone
