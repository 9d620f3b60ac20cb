#include "codecs/kernels/pages/kept_values.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/pages/kept_values.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>

// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "backends/kernels/cast_lanes.hpp"
#include "codecs/kernels/rank_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

constexpr std::uint64_t kept_word_values = 64;
constexpr std::uint64_t kept_words = most_block_values / kept_word_values;

/// The magnitude of finite values, -1 of others, -2 beyond the block.
HWY_INLINE FloatVector magnitudes_of(float const* values, std::uint64_t n, std::size_t r) {
    Floats const d;
    auto const first = r * rank_lanes;
    bool const whole = first + rank_lanes <= n;
    auto const value = whole ? hn::LoadU(d, values + first) : hn::LoadN(d, values + first, n - first);
    auto const magnitude = hn::Abs(value);
    auto const finite = hn::IfThenElse(hn::Lt(magnitude, hn::Inf(d)), magnitude, hn::Set(d, -1.0F));
    return whole ? finite : hn::IfThenElse(hn::FirstN(d, n - first), finite, hn::Set(d, -2.0F));
}

/// `count` values; writes up to a register beyond.
HWY_INLINE void copy_between(float const* from, std::uint64_t count, float* to) {
    Floats const d;
    std::uint64_t i = 0;
    for (; i + rank_lanes <= count; i += rank_lanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
    if (i < count) hn::StoreU(hn::LoadN(d, from + i, count - i), d, to + i);
}

template <std::size_t size>
HWY_INLINE bool keep_from(float const* values, std::uint64_t n, std::uint64_t kept, std::byte* places, float* others,
                          float& most) {
    Floats const d;
    auto const registers = (n + rank_lanes - 1) / rank_lanes;
    float largest[size];
    rank_largest<size>(registers, [&](std::size_t r) HWY_ATTR { return magnitudes_of(values, n, r); }, largest);
    most = largest[kept] > 0 ? largest[kept] : 0;
    if (kept == 0) {
        copy_between(values, n, others);
        return true;
    }
    auto const threshold = largest[kept - 1];
    std::uint64_t bits[kept_words] = {};
    auto* to = others;
    for (std::size_t r = 0; r < registers; ++r) {
        auto const first = r * rank_lanes;
        auto const is_kept = hn::Ge(magnitudes_of(values, n, r), hn::Set(d, threshold));
        bits[first / kept_word_values] |= hn::BitsFromMask(d, is_kept) << first % kept_word_values;
        auto const value =
            first + rank_lanes <= n ? hn::LoadU(d, values + first) : hn::LoadN(d, values + first, n - first);
        // What comes after the others of a register is written again by the next one.
        hn::StoreU(hn::CompressNot(value, is_kept), d, to);
        to += rank_lanes - hn::CountTrue(d, is_kept);
    }
    int count = 0;
    for (auto const word : bits) count += std::popcount(word);
    if (count != static_cast<int>(kept) || threshold < 0) return false;
    alignas(64) float found[16] = {};
    for (std::uint64_t done = 0; done < kept; ++done) {
        auto const index = take_lowest(bits);
        places[kept * sizeof(std::uint16_t) + done] = static_cast<std::byte>(index);
        found[done] = values[index];
    }
    alignas(64) std::uint16_t halves[16];
    for (std::size_t i = 0; i < 16; i += rank_lanes) {
        hn::StoreU(halves_of(saturated(hn::LoadU(d, found + i), largest_half)), Halves(), halves + i);
    }
    for (std::uint64_t i = 0; i < kept; ++i) std::memcpy(places + 2 * i, halves + i, sizeof(halves[i]));
    return true;
}

bool keep_on(float const* values, std::uint64_t n, std::uint64_t kept, std::byte* places, float* others, float* most) {
    return kept < 4 ? keep_from<4>(values, n, kept, places, others, *most)
                    : keep_from<8>(values, n, kept, places, others, *most);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(keep_on);

bool keep_largest(float const* values, std::uint64_t n, std::uint64_t kept, std::byte* places, float* others,
                  float& most) {
    return HWY_DYNAMIC_DISPATCH(keep_on)(values, n, kept, places, others, &most);
}

}  // namespace kvstone
#endif
