#pragma once
// The kernel that compares attention over a cache with attention over the decoded one. See attention.hpp.

#include <Kokkos_Core.hpp>

#include "backends/kernels/attention_by_query.hpp"
#include "backends/kernels/attention_host.hpp"
#include "backends/kernels/runs.hpp"
#include "backends/spaces.hpp"

namespace kvstone {

template <int vectors, class Space>
void compare_attention_in_tiles(Space const& space, AttentionTensors const& tensors, std::uint64_t block_tokens,
                                QueryComparison* results) {
    AttentionTiles const tiles(tensors, vectors * vector_lanes, block_tokens);
    Kokkos::parallel_for("compare_attention",
                         Kokkos::RangePolicy<Space, Kokkos::Schedule<Kokkos::Dynamic>>(
                             space, 0, static_cast<std::int64_t>(tiles.count), Kokkos::ChunkSize(1)),
                         [&](std::int64_t const index) {
                             AttentionTile<vectors>(tensors, tiles, static_cast<std::uint64_t>(index)).run(results);
                         });
}

/// One thread per query; takes 2 x dim of V doubles a query of the backend's memory.
template <class Space>
void compare_attention_by_query(Space const& space, AttentionTensors const& tensors, QueryComparison* results) {
    auto const queries = tensors.queries();
    Buffer const outputs(backend_of<Space>, queries * 2 * tensors.v.shape.dim * sizeof(double));
    auto* const output = reinterpret_cast<double*>(outputs.data());
    Kokkos::parallel_for(
        "compare_attention", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(queries)),
        KOKKOS_LAMBDA(std::int64_t const i) {
            auto const index = static_cast<std::uint64_t>(i);
            results[index] = compare_query(tensors, index, output + index, queries);
        });
    space.fence();
}

/// Fills results[layer][query head][query], in the backend's memory. Each query's figures are the same to the last bit
/// whatever the number of threads. Requires whole groups of query heads, every query's last token to exist, and
/// block_tokens (of the host's cores alone) to be a multiple of product_rows.
template <class Space>
void compare_attention(Space const& space, AttentionTensors const& tensors, QueryComparison* results,
                       std::uint64_t block_tokens = attention_block_tokens) {
    if (tensors.queries() == 0) return;
    if constexpr (!runs_on_host<Space>) {
        compare_attention_by_query(space, tensors, results);
    } else {
        if (tensors.q.shape.heads / tensors.k.shape.heads * tensors.q.shape.tokens <= vector_lanes)
            compare_attention_in_tiles<1>(space, tensors, std::min(block_tokens, small_block_tokens), results);
        else
            compare_attention_in_tiles<2>(space, tensors, block_tokens, results);
        space.fence();
    }
}

}  // namespace kvstone
