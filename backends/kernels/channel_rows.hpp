#pragma once
// Rows of one number a channel, one row a layer and head of a box: sums over tokens, and values mapped with them.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/host_for.hpp"
#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/vector_blocks.hpp"

namespace kvstone {

/// Channels that a host thread works on at a time: their double sums stay in the first-level cache.
inline constexpr std::uint64_t summed_channels = 1024;

/// How many rows of partial sums channel_sums() needs for each layer and head.
inline std::uint64_t channel_sum_rows(KvShape const& shape) {
    return VectorBlocks(shape, tokens_per_block(shape.dim)).blocks_per_head();
}

/// rows[layer, head, block, channel] = sum of the block's tokens, in their order: blocks are fixed, so that sums over
/// them do not depend on the number of threads. Sums of f32 in double never overflow: a sum is finite where all its
/// values are.
template <class Space>
void channel_sums(Space const& space, KvSpan<float const> values, double* rows) {
    VectorBlocks const blocks(values.shape, tokens_per_block(values.shape.dim));
    auto const dim = values.shape.dim;
    if constexpr (runs_on_host<Space>) {
        host_for(space, "channel_sums", blocks.count(), [=](std::int64_t const index) {
            auto const block = blocks.block(index);
            for (std::uint64_t first = 0; first < dim; first += summed_channels) {
                auto const channels = dim - first < summed_channels ? dim - first : summed_channels;
                double sums[summed_channels];
                for (std::uint64_t c = 0; c < channels; ++c) sums[c] = 0;
                for (auto token = block.token; token < block.token + block.tokens; ++token) {
                    auto const* const from = values.vector(block.layer, block.head, token) + first;
                    prefetch(from + prefetched_values, channels * sizeof(float));
                    for (std::uint64_t c = 0; c < channels; ++c) sums[c] += static_cast<double>(from[c]);
                }
                auto* const row = rows + static_cast<std::uint64_t>(index) * dim + first;
                for (std::uint64_t c = 0; c < channels; ++c) row[c] = sums[c];
            }
        });
    } else {
        Kokkos::parallel_for(
            "channel_sums", Kokkos::RangePolicy<Space>(space, 0, blocks.count() * static_cast<std::int64_t>(dim)),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const at = static_cast<std::uint64_t>(i);
                auto const block = blocks.block(static_cast<std::int64_t>(at / dim));
                double sum = 0;
                for (auto token = block.token; token < block.token + block.tokens; ++token) {
                    sum += static_cast<double>(values(block.layer, block.head, token, at % dim));
                }
                rows[at] = sum;
            });
    }
}

/// out(l, h, t, c) = operation(in(l, h, t, c), rows[l, h, c]); in and out may be the same memory.
template <class Space, class T, class Operation>
void map_with_channel_rows(Space const& space, KvSpan<float const> in, KvSpan<float> out, T const* rows,
                           Operation const& operation) {
    auto const dim = in.shape.dim;
    auto const heads = in.shape.heads;
    if constexpr (runs_on_host<Space>) {
        VectorBlocks const blocks(in.shape, tokens_per_block(dim));
        bool const streaming = in.data != out.data && in.shape.values() * sizeof(float) >= streaming_from_bytes;
        host_for(space, "map_with_channel_rows", blocks.count(), [=](std::int64_t const index) {
            alignas(cache_line_bytes) float stage[staged_values];
            auto const block = blocks.block(index);
            auto const* const row = rows + (block.layer * heads + block.head) * dim;
            for (auto token = block.token; token < block.token + block.tokens; ++token) {
                auto const* const from = in.vector(block.layer, block.head, token);
                auto* const to = out.vector(block.layer, block.head, token);
                for (std::uint64_t first = 0; first < dim; first += staged_values) {
                    auto const channels = dim - first < staged_values ? dim - first : staged_values;
                    prefetch(from + first + prefetched_values, channels * sizeof(float));
                    for (std::uint64_t c = 0; c < channels; ++c) {
                        stage[c] = operation(from[first + c], row[first + c]);
                    }
                    store(to + first, stage, channels * sizeof(float), streaming);
                }
            }
            finish_stores();
        });
    } else {
        Runs<float const> const from(in);
        Runs<float> const to(out);
        auto const run = in.shape.tokens * dim;
        Kokkos::parallel_for(
            "map_with_channel_rows", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(in.shape.values())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const at = static_cast<std::uint64_t>(i);
                to.value(at) = operation(from.value(at), rows[at / run * dim + at % dim]);
            });
    }
}

}  // namespace kvstone
