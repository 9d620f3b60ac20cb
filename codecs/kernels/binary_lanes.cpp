#include "codecs/kernels/binary_lanes.hpp"

#include <algorithm>
#include <bit>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/binary_lanes.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#ifndef KVSTONE_BINARY_LANES_ONCE
#define KVSTONE_BINARY_LANES_ONCE
namespace kvstone {

inline constexpr std::uint32_t least_range = 1U << 24;

/// Adds one to the number that ends before `end`: a carry, which the bytes before it are sure to take.
inline void carry_into(std::byte* end) {
    do {
        --end;
        *end = static_cast<std::byte>(std::to_integer<unsigned>(*end) + 1);
    } while (*end == std::byte{0});
}

}  // namespace kvstone
#endif

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using Words = hn::CappedTag<std::uint32_t, 16>;
using WordVector = hn::Vec<Words>;
using Signed = hn::RebindToSigned<Words>;
using Halves = hn::Repartition<std::uint16_t, Words>;
using Bytes = hn::Rebind<std::uint8_t, Words>;
constexpr std::size_t width = hn::MaxLanes(Words());
constexpr std::size_t vectors = most_coder_lanes / width;

/// floor(range p / 2^16): of the upper and of the lower half of the range.
HWY_INLINE WordVector zero_part(WordVector range, WordVector probability) {
    Words const d;
    auto const low = hn::MulHigh(hn::BitCast(Halves(), range), hn::BitCast(Halves(), probability));
    return hn::Add(hn::Mul(hn::ShiftRight<16>(range), probability), hn::BitCast(d, low));
}

HWY_INLINE WordVector probability_of(LaneContexts const& contexts, WordVector node) {
    Words const d;
    auto const probability = hn::GatherIndex(d, contexts.probabilities, hn::BitCast(Signed(), node));
    return hn::Min(hn::Max(probability, hn::Set(d, least_probability)), hn::Set(d, largest_probability));
}

/// How many bits of zeros a range below 2^24 moves up by: 0, 8 or 16.
HWY_INLINE WordVector renewal(WordVector range) {
    Words const d;
    auto const byte = hn::Set(d, 8);
    auto const one = hn::IfThenElseZero(hn::Lt(range, hn::Set(d, least_range)), byte);
    return hn::Add(one, hn::IfThenElseZero(hn::Lt(range, hn::Set(d, 1U << 16)), byte));
}

void encode_all(LaneContexts const& contexts, std::uint8_t const* symbols, std::byte* bytes, BinaryLanes& lanes) {
    Words const d;
    auto* const out = reinterpret_cast<std::uint32_t*>(bytes);
    WordVector symbol[vectors], tree[vectors], range[vectors], low[vectors], place[vectors];
    for (std::size_t v = 0; v < vectors; ++v) {
        auto const at = v * width;
        symbol[v] = hn::Or(hn::PromoteTo(d, hn::LoadU(Bytes(), symbols + at)), hn::Set(d, 256));
        tree[v] = hn::LoadU(d, contexts.trees.data() + at);
        range[v] = hn::LoadU(d, lanes.range.data() + at);
        low[v] = hn::LoadU(d, lanes.value.data() + at);
        place[v] = hn::LoadU(d, lanes.place.data() + at);
    }
    for (int bit = 7; bit >= 0; --bit) {
#pragma GCC unroll 8
        for (std::size_t v = 0; v < vectors; ++v) {
            auto const node = hn::ShiftRightSame(symbol[v], bit + 1);
            auto const zero = zero_part(range[v], probability_of(contexts, hn::Add(tree[v], node)));
            auto const is_one = hn::Ne(hn::And(symbol[v], hn::Set(d, 1U << bit)), hn::Zero(d));
            auto const more = hn::IfThenElseZero(is_one, zero);
            low[v] = hn::Add(low[v], more);
            range[v] = hn::IfThenElse(is_one, hn::Sub(range[v], zero), zero);
            auto const carries = hn::Lt(low[v], more);
            if (HWY_UNLIKELY(!hn::AllFalse(d, carries))) {
                alignas(64) std::uint32_t places[width];
                hn::Store(place[v], d, places);
                std::uint8_t bits[8] = {};
                hn::StoreMaskBits(d, carries, bits);
                for (unsigned left = bits[0] | bits[1] << 8; left != 0; left &= left - 1)
                    carry_into(bytes + places[std::countr_zero(left)]);
            }
            hn::ScatterOffset(hn::ReverseLaneBytes(low[v]), d, out, hn::BitCast(Signed(), place[v]));
            auto const shift = renewal(range[v]);
            low[v] = hn::Shl(low[v], shift);
            range[v] = hn::Shl(range[v], shift);
            place[v] = hn::Add(place[v], hn::ShiftRight<3>(shift));
        }
    }
    for (std::size_t v = 0; v < vectors; ++v) {
        auto const at = v * width;
        hn::StoreU(range[v], d, lanes.range.data() + at);
        hn::StoreU(low[v], d, lanes.value.data() + at);
        hn::StoreU(place[v], d, lanes.place.data() + at);
    }
}

bool decode_all(LaneContexts const& contexts, std::byte const* bytes, std::uint8_t* symbols, BinaryLanes& lanes) {
    Words const d;
    auto const* const in = reinterpret_cast<std::uint32_t const*>(bytes);
    WordVector node[vectors], tree[vectors], range[vectors], value[vectors], place[vectors];
    auto full = hn::Eq(hn::Zero(d), hn::Zero(d));
    for (std::size_t v = 0; v < vectors; ++v) {
        auto const at = v * width;
        node[v] = hn::Set(d, 1);
        tree[v] = hn::LoadU(d, contexts.trees.data() + at);
        range[v] = hn::LoadU(d, lanes.range.data() + at);
        value[v] = hn::LoadU(d, lanes.value.data() + at);
        place[v] = hn::LoadU(d, lanes.place.data() + at);
        auto const left = hn::Sub(hn::LoadU(d, lanes.end.data() + at), place[v]);
        full = hn::And(full, hn::Ge(left, hn::Set(d, lane_bytes_ahead)));
    }
    if (!hn::AllTrue(d, full)) return false;
    for (int pair = 0; pair < 4; ++pair) {
#pragma GCC unroll 8
        for (std::size_t v = 0; v < vectors; ++v) {
            // Two bits take no more than four bytes.
            auto ahead = hn::ReverseLaneBytes(hn::GatherOffset(d, in, hn::BitCast(Signed(), place[v])));
#pragma GCC unroll 2
            for (int bit = 0; bit < 2; ++bit) {
                auto const zero = zero_part(range[v], probability_of(contexts, hn::Add(tree[v], node[v])));
                auto const is_one = hn::Ge(value[v], zero);
                value[v] = hn::Sub(value[v], hn::IfThenElseZero(is_one, zero));
                range[v] = hn::IfThenElse(is_one, hn::Sub(range[v], zero), zero);
                node[v] = hn::Add(hn::Add(node[v], node[v]), hn::IfThenElseZero(is_one, hn::Set(d, 1)));
                auto const shift = renewal(range[v]);
                auto const next = hn::Shr(hn::ShiftRight<1>(ahead), hn::Sub(hn::Set(d, 31), shift));
                value[v] = hn::Or(hn::Shl(value[v], shift), next);
                range[v] = hn::Shl(range[v], shift);
                ahead = hn::Shl(ahead, shift);
                place[v] = hn::Add(place[v], hn::ShiftRight<3>(shift));
            }
        }
    }
    for (std::size_t v = 0; v < vectors; ++v) {
        auto const at = v * width;
        hn::StoreU(hn::TruncateTo(Bytes(), node[v]), Bytes(), symbols + at);
        hn::StoreU(range[v], d, lanes.range.data() + at);
        hn::StoreU(value[v], d, lanes.value.data() + at);
        hn::StoreU(place[v], d, lanes.place.data() + at);
    }
    return true;
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(encode_all);
HWY_EXPORT(decode_all);

void encode_lanes(LaneContexts const& contexts, std::uint8_t const* symbols, std::byte* bytes, BinaryLanes& lanes) {
    HWY_DYNAMIC_DISPATCH(encode_all)(contexts, symbols, bytes, lanes);
}
bool decode_lanes(LaneContexts const& contexts, std::byte const* bytes, std::uint8_t* symbols, BinaryLanes& lanes) {
    return HWY_DYNAMIC_DISPATCH(decode_all)(contexts, bytes, symbols, lanes);
}

namespace {

std::uint32_t probability_in(LaneContexts const& contexts, std::uint32_t node) {
    return std::clamp(contexts.probabilities[node], least_probability, largest_probability);
}

}  // namespace

void encode_in_lane(LaneContexts const& contexts, std::uint8_t symbol, std::byte* bytes, BinaryLanes& lanes,
                    std::size_t lane) {
    auto range = lanes.range[lane];
    auto low = lanes.value[lane];
    auto place = lanes.place[lane];
    for (int bit = 7; bit >= 0; --bit) {
        auto const probability = probability_in(contexts, contexts.trees[lane] + ((symbol | 256U) >> (bit + 1)));
        auto const zero = static_cast<std::uint32_t>(std::uint64_t{range} * probability >> 16);
        if ((symbol >> bit & 1U) != 0) {
            low += zero;
            range -= zero;
            if (low < zero) carry_into(bytes + place);
        } else {
            range = zero;
        }
        for (; range < least_range; range <<= 8, low <<= 8) bytes[place++] = static_cast<std::byte>(low >> 24);
    }
    lanes.range[lane] = range;
    lanes.value[lane] = low;
    lanes.place[lane] = place;
}

std::uint8_t decode_in_lane(LaneContexts const& contexts, std::byte const* bytes, BinaryLanes& lanes,
                            std::size_t lane) {
    auto range = lanes.range[lane];
    auto value = lanes.value[lane];
    auto place = lanes.place[lane];
    auto const end = lanes.end[lane];
    std::uint32_t node = 1;
    while (node < 256) {
        auto const probability = probability_in(contexts, contexts.trees[lane] + node);
        auto const zero = static_cast<std::uint32_t>(std::uint64_t{range} * probability >> 16);
        bool const is_one = value >= zero;
        value -= is_one ? zero : 0;
        range = is_one ? range - zero : zero;
        node = 2 * node + is_one;
        for (; range < least_range; range <<= 8) {
            bool const there = place < end;
            lanes.missing = lanes.missing || !there;
            value = value << 8 | (there ? std::to_integer<std::uint32_t>(bytes[place++]) : 0U);
        }
    }
    lanes.range[lane] = range;
    lanes.value[lane] = value;
    lanes.place[lane] = place;
    return static_cast<std::uint8_t>(node);
}

}  // namespace kvstone
#endif  // HWY_ONCE
