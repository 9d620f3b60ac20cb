#pragma once
// Attention on the host's cores: one task is a tile of queries of one KV head, from its first token to its last.
//
// Results are the same to the last bit on every kind of processor: a product of two floats is exact in double precision, and
// weights are rounded to 29 bits before values are multiplied by them, so that fused and separate multiply-adds agree. All
// other products are rounded before they are added. Sums over channels of one to four queries are eight partial sums whatever
// the size of registers, all others run in order.

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "backends/kernels/attention.hpp"

namespace kvstone {

inline constexpr std::uint64_t attention_block_tokens = 64;
/// The same where queries are so few that memory is waited for: the values read stay in the first-level cache.
inline constexpr std::uint64_t small_block_tokens = 16;

/// Buffers hold whole multiples of so many tokens, and of so many channels.
inline constexpr std::uint64_t padded_to = 8;
inline std::uint64_t padded(std::uint64_t count) { return (count + padded_to - 1) / padded_to * padded_to; }

/// Queries of one KV head in tiles of up to four panels of lanes. Lanes run through the query heads of a query first, so
/// that tiles hold queries that see about as many tokens.
struct AttentionTiles {
    static constexpr std::uint64_t panels_of_tile = 4;
    static constexpr std::uint64_t few = 4;

    AttentionTiles(AttentionTensors const& of, std::uint64_t most_block_tokens)
        : heads(of.q.shape.heads / of.k.shape.heads),
          queries(of.q.shape.tokens),
          lanes(rows() <= few ? few
                : rows() <= 8 ? 8
                              : 16),
          tile_lanes(rows() <= few ? few : lanes * panels_of_tile),
          block_tokens(rows() <= 8 ? std::min(most_block_tokens, small_block_tokens) : most_block_tokens),
          per_head((rows() + tile_lanes - 1) / tile_lanes),
          count(of.k.shape.layers * of.k.shape.heads * per_head) {}

    /// Queries that attend to one KV head.
    std::uint64_t rows() const { return heads * queries; }

    std::uint64_t heads;  ///< query heads of a KV head
    std::uint64_t queries;
    std::uint64_t lanes;  ///< queries beside each other: 4, 8 or 16
    std::uint64_t tile_lanes;
    std::uint64_t block_tokens;
    std::uint64_t per_head;
    std::uint64_t count;
};

/// Which queries tile `index` is about, and where they lie.
struct TileQueries {
    TileQueries(AttentionTensors const& tensors, AttentionTiles const& tiles, std::uint64_t index)
        : heads(tiles.heads),
          queries(tiles.queries),
          q_heads(tensors.q.shape.heads),
          layer(index / tiles.per_head / tensors.k.shape.heads),
          kv_head(index / tiles.per_head % tensors.k.shape.heads),
          first(index % tiles.per_head * tiles.tile_lanes),
          used(std::min(tiles.tile_lanes, tiles.rows() - first)) {}

    std::uint64_t query_of(std::uint64_t lane) const { return (first + lane) / heads; }
    std::uint64_t head_of(std::uint64_t lane) const { return kv_head * heads + (first + lane) % heads; }
    std::uint64_t place_of(std::uint64_t lane) const {
        return (layer * q_heads + head_of(lane)) * queries + query_of(lane);
    }

    std::uint64_t heads;
    std::uint64_t queries;
    std::uint64_t q_heads;
    std::uint64_t layer;
    std::uint64_t kv_head;
    std::uint64_t first;  ///< lane, of those of the KV head
    std::uint64_t used;
};

/// Fills the results of the queries of tile `index`: results[layer][query head][query].
void compare_tile(AttentionTensors const& tensors, AttentionTiles const& tiles, std::uint64_t index,
                  QueryComparison* results);

/// Memory of one thread; grows to what was asked for most and stays. Aligned to cache lines.
double* attention_scratch(std::size_t count);

}  // namespace kvstone
