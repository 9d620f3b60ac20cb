// A block of stored keys or values of one head, ready to be read vector by vector. Highway's foreach_target.h includes it
// once for each target.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include "codecs/kernels/row_lanes.hpp"
#include "codecs/kernels/stored_values.hpp"

#if defined(KVSTONE_BLOCK_LANES) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_BLOCK_LANES
#undef KVSTONE_BLOCK_LANES
#else
#define KVSTONE_BLOCK_LANES
#endif

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Tokens of a block, at most; and how far apart the scales of its chunks lie, so that vectors of them may be read.
constexpr std::size_t block_tokens = 128;
constexpr std::size_t block_stride = block_tokens + 16;
/// Channels that share a token's scale: every group of scales is a multiple.
constexpr std::size_t chunk_channels = 32;

/// Vectors of a block. by_token: each chunk of a vector has a scale, and with_zero an origin; else codes are all there is.
template <class Codes, bool token_scales, bool token_zeros>
struct BlockReader {
    static constexpr bool by_token = token_scales;
    static constexpr bool with_zero = token_zeros;

    std::byte const* first;
    std::size_t row_bytes;
    float const* scales;  ///< [chunk][block_stride]
    float const* zeros;

    HWY_INLINE Pair codes(std::size_t token, std::size_t step) const {
        return Codes::load(first + token * row_bytes, step);
    }
    HWY_INLINE Pair values(std::size_t token, std::size_t step) const {
        if constexpr (!by_token) return codes(token, step);
        Floats const d;
        auto const at = step * step_channels / chunk_channels * block_stride + token;
        auto const scale = hn::Set(d, scales[at]);
        auto const restore = [&](FloatVector code) HWY_ATTR {
            if constexpr (with_zero) return hn::MulAdd(code, scale, hn::Set(d, zeros[at]));
            return hn::Mul(code, scale);
        };
        if constexpr (Codes::nibbles) {
            if constexpr (Codes::in_register)
                return Codes::look_up(restore(Codes::table()), first + token * row_bytes, step);
        }
        auto const pair = codes(token, step);
        return {restore(pair.first), restore(pair.second)};
    }
    /// Asks for vectors that come later. Any address is allowed.
    HWY_INLINE void ask_ahead(std::size_t token, std::size_t tokens) const {
        // Scales that lie among the codes are read before the block is.
        auto const ahead = by_token ? block_tokens * row_bytes : 4096;
        auto const place = reinterpret_cast<std::uintptr_t>(first + token * row_bytes) + ahead;
        for (std::size_t byte = 0; byte < tokens * row_bytes; byte += 64)
            hwy::Prefetch(reinterpret_cast<void const*>(place + byte));
    }
};

/// K or V of one head.
struct Side {
    StoredRows const* rows;
    std::uint64_t layer;
    std::uint64_t head;
    std::size_t slots;                  ///< channels, filled up to whole chunks
    bool decoded;                       ///< vectors go through `tile`, because registers cannot take them as they lie
    std::uint32_t* channels = nullptr;  ///< that slots stand for
    float* tile = nullptr;              ///< [token][slot]
    float* scales = nullptr;            ///< of tokens, [chunk][block_stride]; so are the zeros
    float* zeros = nullptr;
    float* page_scales = nullptr;  ///< [slot]; so are the zeros
    float* page_zeros = nullptr;
    float* in_order = nullptr;  ///< scales of a page by channel, and a vector more

    std::size_t steps() const { return slots / step_channels; }
    std::size_t chunks() const { return slots / chunk_channels; }
    bool by_token() const {
        return !decoded &&
               (rows->scale == RowScale::token || rows->format == RowFormat::q8_0 || rows->format == RowFormat::q4_0);
    }
    /// Whether what is read is not yet what was stored, but for a factor (and an origin) of each channel.
    bool by_page() const {
        return !decoded &&
               (rows->scale == RowScale::page || rows->scale == RowScale::head || rows->format == RowFormat::e4m3);
    }
    std::uint64_t page_end(std::uint64_t token) const { return decoded ? rows->shape.tokens : rows->page_end(token); }
    std::uint64_t vector(std::uint64_t token) const {
        return (layer * rows->shape.heads + head) * rows->shape.tokens + token;
    }
};

inline bool fits_registers(StoredRows const& rows) {
    return rows.shape.dim % chunk_channels == 0 && (rows.scale != RowScale::token || rows.group % chunk_channels == 0);
}

/// Fills in which channel each slot stands for.
inline void find_channels(Side const& side) {
    auto const in_order_of = [&](auto channel_of) {
        for (std::size_t slot = 0; slot < side.slots; ++slot)
            side.channels[slot] = static_cast<std::uint32_t>(channel_of(slot));
    };
    auto const format = side.rows->format;
    if (!side.decoded && format == RowFormat::q4_0) return in_order_of(channel_of_slot<RowFormat::q4_0>);
    if (!side.decoded &&
        (format == RowFormat::signed_nibbles || format == RowFormat::nibbles || format == RowFormat::nf4))
        return in_order_of(channel_of_slot<RowFormat::nibbles>);
    in_order_of([](std::size_t slot) { return slot; });
}

/// Binary16 numbers to floats, `count` of them and up to a vector more.
HWY_INLINE void widen(std::uint16_t const* halves, std::size_t count, float* values) {
    for (std::size_t i = 0; i < count; i += lanes)
        hn::StoreU(float_of_halves(hn::LoadU(Halves(), halves + i)), Floats(), values + i);
}

/// Fills to[chunk][token] with binary16 numbers, of which those of a chunk begin at place(chunk) and lie `stride` bytes apart.
template <class Place>
HWY_INLINE void collect_halves(std::size_t chunks, std::size_t tokens, std::size_t stride, float* to,
                               Place const& place) {
    constexpr std::size_t together = 4;  // before any is read: a vector is not forwarded from stores of its parts
    std::uint16_t halves[together][block_stride] = {};
    for (std::size_t first = 0; first < chunks; first += together) {
        std::byte const* from[together];
        for (std::size_t i = 0; i < together; ++i) from[i] = place(std::min(first + i, chunks - 1));
        for (std::size_t t = 0; t < tokens; ++t) {
#pragma GCC unroll 4
            for (std::size_t i = 0; i < together; ++i) halves[i][t] = get_as<std::uint16_t>(from[i] + t * stride);
        }
        auto const now = std::min(together, chunks - first);
        for (std::size_t i = 0; i < now; ++i) widen(halves[i], tokens, to + (first + i) * block_stride);
    }
}

/// Scales of nf4 that are bytes, times the steps of their superblocks.
inline void load_superblock_scales(Side const& side, std::uint64_t first, std::size_t tokens) {
    auto const& rows = *side.rows;
    auto const groups = rows.groups();
    auto const pages = (rows.shape.tokens + rows.superblock_tokens - 1) / rows.superblock_tokens;
    auto const head_pages = (side.layer * rows.shape.heads + side.head) * pages;
    for (std::size_t chunk = 0; chunk < side.chunks(); ++chunk) {
        auto const group = chunk * chunk_channels / rows.group;
        auto const* const codes = rows.scales + side.vector(first) * groups + group;
        auto* const to = side.scales + chunk * block_stride;
        for (std::size_t t = 0, end = 0; t < tokens;) {
            auto const page = (first + t) / rows.superblock_tokens;
            end = std::min<std::size_t>(tokens, (page + 1) * rows.superblock_tokens - first);
            auto const superblock = (head_pages + page) * rows.superblocks_of_page +
                                    (rows.superblocks_of_page > 1 ? group / blocks_of_superblock : 0);
            auto const step = rows.superblock_steps[superblock];
            for (; t < end; ++t) to[t] = static_cast<float>(codes[t * groups]) * step;
        }
    }
}

/// Scales and origins of the tokens of a block.
inline void load_token_steps(Side const& side, std::uint64_t first, std::size_t tokens) {
    auto const& rows = *side.rows;
    auto const vector = side.vector(first);
    if (rows.scale == RowScale::inside) {
        std::size_t const block_bytes = rows.format == RowFormat::q8_0 ? 34 : 18;
        return collect_halves(side.chunks(), tokens, rows.row_bytes, side.scales,
                              [&](std::size_t chunk) { return rows.row(vector) + chunk * block_bytes; });
    }
    if (rows.superblock_steps != nullptr) return load_superblock_scales(side, first, tokens);
    if (rows.scale_format == ScaleFormat::fp16) {
        auto const groups = rows.groups();
        auto const collect = [&](std::byte const* plane, float* to) {
            collect_halves(side.chunks(), tokens, 2 * groups, to, [&](std::size_t chunk) {
                return plane + 2 * (vector * groups + chunk * chunk_channels / rows.group);
            });
        };
        collect(rows.scales, side.scales);
        if (rows.zeros == nullptr) return;
        collect(rows.zeros, side.zeros);
        for (std::size_t i = 0; i < side.chunks() * block_stride; ++i)
            side.zeros[i] += center_of(rows.format) * side.scales[i];
        return;
    }
    for (std::size_t chunk = 0; chunk < side.chunks(); ++chunk) {
        for (std::size_t t = 0; t < tokens; ++t) {
            auto const step = step_of(rows, side.layer, side.head, first + t, chunk * chunk_channels);
            side.scales[chunk * block_stride + t] = step.scale;
            side.zeros[chunk * block_stride + t] = step.zero + center_of(rows.format) * step.scale;
        }
    }
}

/// Those of the channels of the page that holds `token`.
inline void load_page_steps(Side const& side, std::uint64_t token) {
    auto const& rows = *side.rows;
    if (rows.scale != RowScale::page) {
        auto const step = step_of(rows, side.layer, side.head, token, 0);
        std::fill_n(side.page_scales, side.slots, step.scale * (rows.format == RowFormat::e4m3 ? 256.0F : 1.0F));
        std::fill_n(side.page_zeros, side.slots, step.zero + center_of(rows.format) * step.scale);
        return;
    }
    auto const first = scale_number(rows, side.layer, side.head, token, 0);
    auto const load = [&](std::byte const* plane, ScaleFormat format, float* slots) {
        if (format == ScaleFormat::fp16) {
            widen(reinterpret_cast<std::uint16_t const*>(plane + 2 * first), rows.shape.dim, side.in_order);
        } else {
            load_scales(format, plane + first * scale_bytes(format), rows.shape.dim, side.in_order);
        }
        for (std::size_t slot = 0; slot < side.slots; ++slot) slots[slot] = side.in_order[side.channels[slot]];
    };
    load(rows.scales, rows.scale_format, side.page_scales);
    auto const of_zeros = rows.scale_format == ScaleFormat::fp32 ? ScaleFormat::fp32 : ScaleFormat::fp16;
    if (rows.zeros == nullptr) return;
    load(rows.zeros, of_zeros, side.page_zeros);
    for (std::size_t slot = 0; slot < side.slots; ++slot)
        side.page_zeros[slot] += center_of(rows.format) * side.page_scales[slot];
}

inline void decode_tile(Side const& side, std::uint64_t first, std::size_t tokens) {
    for (std::size_t t = 0; t < tokens; ++t)
        for (std::size_t c = 0; c < side.slots; ++c)
            side.tile[t * side.slots + c] =
                c < side.rows->shape.dim ? stored_value(*side.rows, side.layer, side.head, first + t, c) : 0.0F;
}

/// Gets a block ready; a page begins with it where `new_page`.
inline void prepare_block(Side const& side, std::uint64_t first, std::size_t tokens, bool new_page) {
    if (side.decoded) return decode_tile(side, first, tokens);
    if (side.by_token()) load_token_steps(side, first, tokens);
    if (side.by_page() && new_page) load_page_steps(side, first);
}

/// Calls action(reader) with the vectors from token `first` on.
template <class Action>
HWY_INLINE void with_reader(Side const& side, std::uint64_t first, Action const& action) {
    auto const& rows = *side.rows;
    auto const read = [&]<class Codes, bool by_token, bool with_zero>(Codes) HWY_ATTR {
        action(BlockReader<Codes, by_token, with_zero>{rows.row(side.vector(first)), rows.row_bytes, side.scales,
                                                       side.zeros});
    };
    auto const by_scale = [&]<class Codes, bool with_zero>(Codes codes) HWY_ATTR {
        if (rows.scale == RowScale::token) return read.template operator()<Codes, true, with_zero>(codes);
        read.template operator()<Codes, false, false>(codes);
    };
    if (side.decoded)
        return action(BlockReader<FloatCodes, false, false>{reinterpret_cast<std::byte const*>(side.tile),
                                                            side.slots * sizeof(float), nullptr, nullptr});
    switch (rows.format) {
        case RowFormat::fp16:
            return read.template operator()<HalfCodes, false, false>({});
        case RowFormat::bf16:
            return read.template operator()<BFloatCodes, false, false>({});
        case RowFormat::e4m3:
            return read.template operator()<Fp8Codes<true>, false, false>({});
        case RowFormat::e5m2:
            return read.template operator()<Fp8Codes<false>, false, false>({});
        case RowFormat::q8_0:
            return read.template operator()<Q80Codes, true, false>({});
        case RowFormat::q4_0:
            return read.template operator()<NibbleCodes<RowFormat::q4_0>, true, false>({});
        case RowFormat::nf4:
            return read.template operator()<NibbleCodes<RowFormat::nf4>, true, false>({});
        case RowFormat::signed_bytes:
            return by_scale.template operator()<ByteCodes<false>, false>({});
        case RowFormat::bytes:
            return by_scale.template operator()<ByteCodes<true>, true>({});
        case RowFormat::signed_nibbles:
            return by_scale.template operator()<NibbleCodes<RowFormat::signed_nibbles>, false>({});
        case RowFormat::nibbles:
            return by_scale.template operator()<NibbleCodes<RowFormat::nibbles>, true>({});
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
