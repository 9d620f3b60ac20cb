#pragma once
// Kernels of the 4-bit NormalFloat quantiser: codes of blocks, and of the scales of superblocks.

#include <algorithm>
#include <array>
#include <cstdint>

#include "backends/kernels/map_pages.hpp"
#include "backends/kernels/table_lookup.hpp"
#include "codecs/kernels/bit_packing.hpp"
#include "codecs/kernels/block_pieces.hpp"
#include "codecs/kernels/level_bins.hpp"
#include "codecs/kernels/pages/level_pages.hpp"
#include "codecs/kernels/scales.hpp"
#include "codecs/kernels/stored_rows.hpp"

namespace kvstone {

inline constexpr std::uint64_t coded_tokens = 16;

/// How blocks make superblocks.
struct Superblocks {
    std::uint64_t blocks_of_vector;
    std::uint64_t tokens;         ///< of a page: the vectors that share superblocks
    std::uint64_t of_page;        ///< superblocks
    std::uint64_t pages_of_head;  ///< the last page may have fewer tokens
    std::uint64_t heads;          ///< of a layer

    Superblocks(KvShape const& shape, std::uint64_t block)
        : blocks_of_vector((shape.dim + block - 1) / block),
          tokens(std::max<std::uint64_t>(1, blocks_of_superblock / blocks_of_vector)),
          of_page((tokens * blocks_of_vector + blocks_of_superblock - 1) / blocks_of_superblock),
          pages_of_head((shape.tokens + tokens - 1) / tokens),
          heads(shape.heads) {}

    KOKKOS_INLINE_FUNCTION std::uint64_t of(std::uint64_t layer, std::uint64_t head, std::uint64_t token,
                                            std::uint64_t block) const {
        auto const page = (layer * heads + head) * pages_of_head + token / tokens;
        return page * of_page + (of_page > 1 ? block / blocks_of_superblock : 0);
    }
};

/// Codes of the scales of a superblock; returns what they are multiples of.
KOKKOS_INLINE_FUNCTION float code_scales(float const* scales, std::uint64_t count, std::uint8_t* codes) {
    // None is negative: as whole numbers they have the same order, and the loop vectorises.
    std::int32_t key = 0;
    for (std::uint64_t b = 0; b < count; ++b) {
        auto const other = Kokkos::bit_cast<std::int32_t>(scales[b]);
        key = other > key ? other : key;
    }
    auto const most = Kokkos::bit_cast<float>(key);
    // A little below the largest float, so that 255 steps are finite.
    float const step = (most < 0x1.fffff0p127F ? most : 0x1.fffff0p127F) / 255.0F;
    for (std::uint64_t b = 0; b < count; ++b) {
        float const code = step > 0 ? scales[b] / step + 0.5F : 0.0F;
        codes[b] = static_cast<std::uint8_t>(static_cast<std::int32_t>(code < 255.0F ? code : 255.0F));
    }
    return step;
}

/// A page is up to coded_tokens tokens.
struct NormalFloat {
    static constexpr bool whole_lines = true;

    float levels[16];
    LevelBins bins;
    ScaleFormat format;
    std::uint64_t block;
    Superblocks superblocks;
    float const* steps;  ///< of superblocks, where scales are coded

    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(Page<T const> const& page, std::array<std::byte*, 2> const& to) const {
        auto const row = packed_bytes(page.dim, 4);
        for (std::uint64_t t = 0, b = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0; first < page.dim; first += block, ++b) {
                auto const* const values = page.vector(t) + first;
                auto const count = page.dim - first < block ? page.dim - first : block;
                auto const scale =
                    store_scale(format, largest_magnitude(values, count), to[1] + b * scale_bytes(format));
                code_block(values, count, inverse_of(scale), to[0] + t * row + first / 2);
            }
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void operator()(std::array<std::byte const*, 2> const& from, Page<T> const& page) const {
        auto const row = packed_bytes(page.dim, 4);
        for (std::uint64_t t = 0; t < page.tokens; ++t) {
            for (std::uint64_t first = 0, b = 0; first < page.dim; first += block, ++b) {
                auto const at = t * superblocks.blocks_of_vector + b;
                float const scale = steps != nullptr
                                        ? static_cast<float>(from[1][at]) *
                                              steps[superblocks.of(page.layer, page.head, page.token + t, b)]
                                        : load_scale(format, from[1] + at * scale_bytes(format));
                auto const count = page.dim - first < block ? page.dim - first : block;
                restore_block(from[0] + t * row + first / 2, scale, count, page.vector(t) + first);
            }
        }
    }

    /// By vectors, as many blocks at a time as stay near.
    void encode_page(Page<float const> const& page, std::array<std::byte*, 2> const& to) const {
        auto const row_bytes = packed_bytes(page.dim, 4);
        for_block_rows(page, block, [&](BlockRows const& rows, std::uint64_t token, std::uint64_t first) {
            float scales[most_piece_blocks + register_room];
            float inverses[most_piece_blocks];
            auto const count = rows.blocks();
            finite_magnitudes(rows, scales);
            auto const at = token * superblocks.blocks_of_vector + first / block;
            store_scales(format, scales, count, to[1] + at * scale_bytes(format));
            for (std::size_t b = 0; b < count; ++b) inverses[b] = inverse_of(scales[b]);
            nearest_nibbles(bins, rows, inverses, to[0] + token * row_bytes + first / 2);
        });
    }
    void decode_page(std::array<std::byte const*, 2> const& from, Page<float> const& page) const {
        auto const row_bytes = packed_bytes(page.dim, 4);
        for_block_rows(page, block, [&](BlockRows const& rows, std::uint64_t token, std::uint64_t first) {
            float scales[most_piece_blocks];
            auto const b = first / block;
            auto const at = token * superblocks.blocks_of_vector + b;
            if (steps != nullptr) {
                load_coded_scales(from[1] + at, page, token, rows, b, scales);
            } else {
                load_scales(format, from[1] + at * scale_bytes(format), rows.blocks(), scales);
            }
            restore_nibbles(levels, rows, scales, from[0] + token * row_bytes + first / 2, page.vector(token) + first,
                            page.streaming);
        });
    }

  private:
    KOKKOS_INLINE_FUNCTION static float inverse_of(float scale) { return scale > 0 ? 1.0F / scale : 0.0F; }

    template <class T>
    KOKKOS_INLINE_FUNCTION void code_block(T const* values, std::uint64_t count, float inverse,
                                           std::byte* packed) const {
        std::uint8_t codes[part];
        for (std::uint64_t first = 0; first < count; first += part) {
            auto const now = count - first < part ? count - first : part;
            for (std::uint64_t i = 0; i < now; ++i) {
                codes[i] = static_cast<std::uint8_t>(
                    thresholds_below<4>(bins.thresholds, to_float(values[first + i]) * inverse));
            }
            pack_bytes<4>(codes, now, packed + first / 2);
        }
    }
    template <class T>
    KOKKOS_INLINE_FUNCTION void restore_block(std::byte const* packed, float scale, std::uint64_t count,
                                              T* values) const {
        std::uint8_t codes[part];
        for (std::uint64_t first = 0; first < count; first += part) {
            auto const now = count - first < part ? count - first : part;
            unpack_bytes<4>(packed + first / 2, now, codes);
            look_up(levels, scale, codes, now, values + first);
        }
    }
    /// Scales of the blocks of rows that are coded in eight bits each, from block `first` of vector `token` of a page on.
    void load_coded_scales(std::byte const* codes, Page<float> const& page, std::uint64_t token, BlockRows const& rows,
                           std::uint64_t first, float* scales) const {
        auto const blocks = rows.blocks_of_row();
        auto const last = page.token + token + rows.rows;
        for (auto t = page.token + token; t < last;) {
            // Those that share a step: of several vectors, or some of one.
            auto const end = std::min(last, (t / superblocks.tokens + 1) * superblocks.tokens);
            auto const* const of_vectors = steps + superblocks.of(page.layer, page.head, t, 0);
            auto const count = (end - t) * blocks;
            if (superblocks.of_page == 1) {
                for (std::uint64_t i = 0; i < count; ++i) scales[i] = static_cast<float>(codes[i]) * *of_vectors;
            } else {
                for (std::uint64_t i = 0; i < count; ++i) {
                    scales[i] = static_cast<float>(codes[i]) * of_vectors[(first + i) / blocks_of_superblock];
                }
            }
            codes += count;
            scales += count;
            t = end;
        }
    }

    /// Values that are worked on at a time.
    static constexpr std::uint64_t part = 64;
};

}  // namespace kvstone
