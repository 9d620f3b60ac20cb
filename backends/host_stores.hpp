#pragma once
// The one place for tricks of host processors: what makes one core read and write at the memory's speed.
//
// A single core reads faster when it is told ahead what comes (encoders), and writes faster when finished cache lines
// go past the cache (decoders). Both are hints: results are the same without them, and other processors do without.

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__AVX512F__) || defined(__AVX__)
#include <immintrin.h>
#endif

namespace kvstone {

inline constexpr std::size_t cache_line_bytes = 64;

/// Outputs from this size on are written past the cache: smaller ones are likely to be read again from it.
inline constexpr std::size_t streaming_from_bytes = std::size_t{8} << 20;

/// Asks for [address, address + bytes) to be brought near. Any address is allowed, also past the end of an array.
inline void prefetch(void const* address, std::size_t bytes) {
    auto const first = reinterpret_cast<std::uintptr_t>(address);
    for (std::size_t offset = 0; offset < bytes; offset += cache_line_bytes) {
        __builtin_prefetch(reinterpret_cast<void const*>(first + offset), 0, 3);
    }
}

/// memcpy, past the cache where `streaming` is set and both sides are aligned to cache lines.
inline void store(void* destination, void const* source, std::size_t bytes, bool streaming) {
    std::size_t done = 0;
#if defined(__AVX512F__) || defined(__AVX__)
    auto const aligned =
        (reinterpret_cast<std::uintptr_t>(destination) | reinterpret_cast<std::uintptr_t>(source)) % cache_line_bytes ==
        0;
    if (streaming && aligned) {
        auto* const to = static_cast<std::byte*>(destination);
        auto const* const from = static_cast<std::byte const*>(source);
        for (; done + cache_line_bytes <= bytes; done += cache_line_bytes) {
#ifdef __AVX512F__
            _mm512_stream_si512(reinterpret_cast<__m512i*>(to + done),
                                _mm512_load_si512(reinterpret_cast<__m512i const*>(from + done)));
#else
            auto const low = _mm256_load_si256(reinterpret_cast<__m256i const*>(from + done));
            auto const high = _mm256_load_si256(reinterpret_cast<__m256i const*>(from + done + 32));
            _mm256_stream_si256(reinterpret_cast<__m256i*>(to + done), low);
            _mm256_stream_si256(reinterpret_cast<__m256i*>(to + done + 32), high);
#endif
        }
    }
#else
    (void)streaming;
#endif
    if (done < bytes) {
        std::memcpy(static_cast<std::byte*>(destination) + done, static_cast<std::byte const*>(source) + done,
                    bytes - done);
    }
}

/// Makes earlier streaming stores visible to other threads; to be called where a kernel's piece of work ends.
inline void finish_stores() {
#if defined(__AVX512F__) || defined(__AVX__)
    _mm_sfence();
#endif
}

/// Whether store() can pass the cache on this processor.
constexpr bool has_streaming_stores() {
#if defined(__AVX512F__) || defined(__AVX__)
    return true;
#else
    return false;
#endif
}

}  // namespace kvstone
