#pragma once
// The one place for tricks of host processors: what makes one core read and write at the memory's speed.
//
// A core reads faster when it is told ahead what comes, and writes faster when finished cache lines go past the cache.
// Both are hints: results are the same without them, and other processors do without. Reading, computing and writing must
// overlap: a loop that makes one cache line of output after the other keeps it in registers, and a core works on several
// at once; one that fills a stage of some kilobytes and then writes it out waits for memory in turns.

#include <cstddef>
#include <cstdint>

#if !defined(__CUDACC__)
#include <hwy/cache_control.h>
#endif

namespace kvstone {

inline constexpr std::size_t cache_line_bytes = 64;

/// Outputs from this size on are written past the cache: smaller ones are likely to be read again from it.
inline constexpr std::size_t streaming_from_bytes = std::size_t{8} << 20;

/// How far ahead of a loop to ask for what comes nearest: a few hundred cycles of one core's reading. And how far beyond
/// that for what the next cache is to have by then: fewer requests of that kind are under way at a time otherwise.
inline constexpr std::size_t prefetch_distance_bytes = 4096;
inline constexpr std::size_t prefetch_beyond_bytes = 4096;
/// Whether to ask the first-level cache at all. On processors of AMD that holds up the reads themselves: on Zen 4 encoders of
/// floats are 1.1 to 1.3 times as fast without, a copy 1.07 times, and nothing is slower.
extern bool const prefetches_first_level;

/// Values of U in a cache line: what one step of a loop should make.
template <class U>
inline constexpr std::uint64_t line_values = cache_line_bytes / sizeof(U);

/// Asks for the cache line at an address to be brought near, and for one beyond it to be brought nearer where that is the
/// better way. Any address is allowed, also past the end of an array.
inline void prefetch_line(void const* address) {
    if (prefetches_first_level) {
        __builtin_prefetch(address, 0, 3);
        auto const beyond = reinterpret_cast<std::uintptr_t>(address) + prefetch_beyond_bytes;
        __builtin_prefetch(reinterpret_cast<void const*>(beyond), 0, 2);
    } else {
        __builtin_prefetch(address, 0, 2);
    }
}

/// The same for [address, address + bytes).
inline void prefetch(void const* address, std::size_t bytes) {
    auto const first = reinterpret_cast<std::uintptr_t>(address);
    for (std::size_t offset = 0; offset < bytes; offset += cache_line_bytes) {
        prefetch_line(reinterpret_cast<void const*>(first + offset));
    }
}

/// memcpy, past the cache where `streaming` is set and both sides are aligned to cache lines. Asks ahead for nothing.
void store(void* destination, void const* source, std::size_t bytes, bool streaming);

/// memcpy of what lies in memory, asked for ahead; past the cache from the first line of `destination` on where `streaming`.
void copy_bytes(void* destination, void const* source, std::size_t bytes, bool streaming);

/// Values before the first one of `destination` that starts a cache line, at most `count`.
template <class U>
inline std::uint64_t values_before_line(U const* destination, std::uint64_t count) {
    auto const past = reinterpret_cast<std::uintptr_t>(destination) % cache_line_bytes;
    auto const before = past == 0 ? 0 : (cache_line_bytes - past) / sizeof(U);
    return before < count ? before : count;
}

/// Makes earlier streaming stores visible to other threads; to be called where a kernel's piece of work ends.
inline void finish_stores() {
#if !defined(__CUDACC__)
    hwy::FlushStream();
#endif
}

/// Whether store() can pass the cache on this kind of processor.
constexpr bool has_streaming_stores() {
#if defined(__x86_64__)
    return true;
#else
    return false;
#endif
}

}  // namespace kvstone
