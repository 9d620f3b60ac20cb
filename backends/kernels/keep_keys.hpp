#pragma once
// Keys that lie in ranges, picked out of many: without a branch a key, which could not be foretold.

#include <array>
#include <cstddef>
#include <cstdint>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace kvstone {

/// The keys low..low + width, both included.
struct KeyRange {
    std::uint32_t low = 0;
    std::uint32_t width = 0;

    bool holds(std::uint32_t key) const { return key - low <= width; }
};

/// What keep_keys() may write beyond the last key that it keeps.
inline constexpr std::size_t keep_keys_slack = 16;

/// Copies the keys that lie in one of the ranges at least, in their order, and returns how many. `destination` may be
/// `keys`. Host only.
template <std::size_t N>
inline std::size_t keep_keys(std::uint32_t const* keys, std::size_t count, std::array<KeyRange, N> const& ranges,
                             std::uint32_t* destination) {
    std::size_t kept = 0;
    std::size_t done = 0;
#ifdef __AVX512F__
    for (; done + 16 <= count; done += 16) {
        auto const some = _mm512_loadu_si512(keys + done);
        __mmask16 held = 0;
        for (auto const& range : ranges) {
            auto const above = _mm512_sub_epi32(some, _mm512_set1_epi32(static_cast<int>(range.low)));
            held |= _mm512_cmple_epu32_mask(above, _mm512_set1_epi32(static_cast<int>(range.width)));
        }
        // Into a register and then stored whole: compressing stores are slow on some processors.
        _mm512_storeu_si512(destination + kept, _mm512_maskz_compress_epi32(held, some));
        kept += static_cast<std::size_t>(__builtin_popcount(held));
    }
#endif
    for (; done < count; ++done) {
        bool held = false;
        for (auto const& range : ranges) held |= range.holds(keys[done]);
        destination[kept] = keys[done];
        kept += held ? 1 : 0;
    }
    return kept;
}

}  // namespace kvstone
