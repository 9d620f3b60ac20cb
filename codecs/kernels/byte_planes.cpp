#include "codecs/kernels/byte_planes.hpp"

#include <cstddef>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/byte_planes.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

// Compiled once for each kind of processor.
HWY_BEFORE_NAMESPACE();
namespace kvstone::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// How far ahead of a loop to ask for what it reads: a few hundred cycles of one core's reading.
constexpr std::size_t ahead_bytes = 4096;
constexpr std::size_t line_bytes = 64;

inline bool starts_line(void const* place) { return reinterpret_cast<std::uintptr_t>(place) % line_bytes == 0; }

/// Asks for [place, place + bytes), some way ahead. Any address is allowed.
inline void prefetch_ahead(std::uint8_t const* place, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; i += line_bytes) {
        hwy::Prefetch(reinterpret_cast<void const*>(reinterpret_cast<std::uintptr_t>(place) + ahead_bytes + i));
    }
}

template <bool streaming, class D, class V>
void put(V value, D d, std::uint8_t* place) {
    if constexpr (streaming) {
        hn::Stream(value, d, place);
    } else {
        hn::StoreU(value, d, place);
    }
}

template <bool streaming>
void split_halves_into(std::uint8_t const* halves, std::uint64_t count, std::uint8_t* high, std::uint8_t* low) {
    hn::ScalableTag<std::uint8_t> const d;
    auto const lanes = hn::Lanes(d);
    std::uint64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        prefetch_ahead(halves + 2 * i, 2 * lanes);
        auto const first = hn::LoadU(d, halves + 2 * i);
        auto const second = hn::LoadU(d, halves + 2 * i + lanes);
        put<streaming>(hn::ConcatEven(d, second, first), d, low + i);
        put<streaming>(hn::ConcatOdd(d, second, first), d, high + i);
    }
    for (; i < count; ++i) {
        low[i] = halves[2 * i];
        high[i] = halves[2 * i + 1];
    }
    if constexpr (streaming) hwy::FlushStream();
}

template <bool streaming>
void merge_halves_into(std::uint8_t const* high, std::uint8_t const* low, std::uint64_t count, std::uint8_t* halves) {
    hn::ScalableTag<std::uint8_t> const d;
    auto const lanes = hn::Lanes(d);
    std::uint64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        prefetch_ahead(high + i, lanes);
        prefetch_ahead(low + i, lanes);
        auto const lows = hn::LoadU(d, low + i);
        auto const highs = hn::LoadU(d, high + i);
        put<streaming>(hn::InterleaveWholeLower(d, lows, highs), d, halves + 2 * i);
        put<streaming>(hn::InterleaveWholeUpper(d, lows, highs), d, halves + 2 * i + lanes);
    }
    for (; i < count; ++i) {
        halves[2 * i] = low[i];
        halves[2 * i + 1] = high[i];
    }
    if constexpr (streaming) hwy::FlushStream();
}

template <bool streaming>
void split_words_into(std::uint8_t const* words, std::uint64_t count, std::array<std::uint8_t*, 4> const& planes) {
    hn::ScalableTag<std::uint8_t> const d;
    using V = hn::Vec<decltype(d)>;
    auto const lanes = hn::Lanes(d);
    std::uint64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        prefetch_ahead(words + 4 * i, 4 * lanes);
        V bytes[4];
        hn::LoadInterleaved4(d, words + 4 * i, bytes[0], bytes[1], bytes[2], bytes[3]);
        for (std::size_t p = 0; p < 4; ++p) put<streaming>(bytes[3 - p], d, planes[p] + i);
    }
    for (; i < count; ++i) {
        for (std::size_t p = 0; p < 4; ++p) planes[p][i] = words[4 * i + 3 - p];
    }
    if constexpr (streaming) hwy::FlushStream();
}

inline void merge_words_into(std::array<std::uint8_t const*, 4> const& planes, std::uint64_t count,
                             std::uint8_t* words) {
    hn::ScalableTag<std::uint8_t> const d;
    auto const lanes = hn::Lanes(d);
    std::uint64_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        for (auto const* plane : planes) prefetch_ahead(plane + i, lanes);
        hn::StoreInterleaved4(hn::LoadU(d, planes[3] + i), hn::LoadU(d, planes[2] + i), hn::LoadU(d, planes[1] + i),
                              hn::LoadU(d, planes[0] + i), d, words + 4 * i);
    }
    for (; i < count; ++i) {
        for (std::size_t p = 0; p < 4; ++p) words[4 * i + 3 - p] = planes[p][i];
    }
}

void split_halves_on(std::uint16_t const* halves, std::uint64_t count, std::uint8_t* high, std::uint8_t* low,
                     bool streaming) {
    auto const* const bytes = reinterpret_cast<std::uint8_t const*>(halves);
    if (streaming && starts_line(high) && starts_line(low)) {
        split_halves_into<true>(bytes, count, high, low);
    } else {
        split_halves_into<false>(bytes, count, high, low);
    }
}

void merge_halves_on(std::uint8_t const* high, std::uint8_t const* low, std::uint64_t count, std::uint16_t* halves,
                     bool streaming) {
    auto* const bytes = reinterpret_cast<std::uint8_t*>(halves);
    if (streaming && starts_line(halves)) {
        merge_halves_into<true>(high, low, count, bytes);
    } else {
        merge_halves_into<false>(high, low, count, bytes);
    }
}

void split_words_on(std::uint32_t const* words, std::uint64_t count, std::array<std::uint8_t*, 4> const& planes,
                    bool streaming) {
    auto const* const bytes = reinterpret_cast<std::uint8_t const*>(words);
    for (auto const* plane : planes) streaming = streaming && starts_line(plane);
    if (streaming) {
        split_words_into<true>(bytes, count, planes);
    } else {
        split_words_into<false>(bytes, count, planes);
    }
}

void merge_words_on(std::array<std::uint8_t const*, 4> const& planes, std::uint64_t count, std::uint32_t* words) {
    merge_words_into(planes, count, reinterpret_cast<std::uint8_t*>(words));
}

}  // namespace kvstone::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(split_halves_on);
HWY_EXPORT(merge_halves_on);
HWY_EXPORT(split_words_on);
HWY_EXPORT(merge_words_on);

void split_halves(std::uint16_t const* halves, std::uint64_t count, std::uint8_t* high, std::uint8_t* low,
                  bool streaming) {
    HWY_DYNAMIC_DISPATCH(split_halves_on)(halves, count, high, low, streaming);
}

void merge_halves(std::uint8_t const* high, std::uint8_t const* low, std::uint64_t count, std::uint16_t* halves,
                  bool streaming) {
    HWY_DYNAMIC_DISPATCH(merge_halves_on)(high, low, count, halves, streaming);
}

void split_words_of_four(std::uint32_t const* words, std::uint64_t count, std::array<std::uint8_t*, 4> const& planes,
                         bool streaming) {
    HWY_DYNAMIC_DISPATCH(split_words_on)(words, count, planes, streaming);
}

void merge_words_of_four(std::array<std::uint8_t const*, 4> const& planes, std::uint64_t count, std::uint32_t* words) {
    HWY_DYNAMIC_DISPATCH(merge_words_on)(planes, count, words);
}

}  // namespace kvstone
#endif
