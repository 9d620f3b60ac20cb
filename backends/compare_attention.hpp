#pragma once
// The kernel that compares attention over a cache with attention over the decoded one. See attention.hpp.

#include <Kokkos_Core.hpp>

#include "backends/attention_host.hpp"
#include "backends/runs.hpp"

namespace kvstone {

template <int vectors, class Space>
void compare_attention_in_tiles(Space const& space, AttentionTensors const& tensors, QueryComparison* results) {
    AttentionTiles const tiles(tensors, vectors * vector_lanes);
    Kokkos::parallel_for("compare_attention",
                         Kokkos::RangePolicy<Space, Kokkos::Schedule<Kokkos::Dynamic>>(
                             space, 0, static_cast<std::int64_t>(tiles.count), Kokkos::ChunkSize(1)),
                         [&](std::int64_t const index) {
                             AttentionTile<vectors>(tensors, tiles, static_cast<std::uint64_t>(index)).run(results);
                         });
    space.fence();
}

/// Fills results[layer][query head][query], in the backend's memory. Each query's figures are the same to the last bit
/// whatever the number of threads. Requires whole groups of query heads, and every query's last token to exist.
template <class Space>
void compare_attention(Space const& space, AttentionTensors const& tensors, QueryComparison* results) {
    if (tensors.queries() == 0) return;
    if (tensors.q.shape.heads / tensors.k.shape.heads * tensors.q.shape.tokens <= vector_lanes)
        compare_attention_in_tiles<1>(space, tensors, results);
    else
        compare_attention_in_tiles<2>(space, tensors, results);
}

}  // namespace kvstone
