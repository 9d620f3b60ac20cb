#pragma once
// The kernel that compares attention over a cache with attention over the decoded one. See attention.hpp.

#include <Kokkos_Core.hpp>

#include "backends/kernels/attention_by_query.hpp"
#include "backends/kernels/attention_tiles.hpp"
#include "backends/kernels/runs.hpp"
#include "backends/spaces.hpp"

namespace kvstone {

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
/// whatever the number of threads, and on the host whatever its vector units. Requires whole groups of query heads, every
/// query's last token to exist, and block_tokens (of the host's cores alone) to be a multiple of padded_to.
template <class Space>
void compare_attention(Space const& space, AttentionTensors const& tensors, QueryComparison* results,
                       std::uint64_t block_tokens = attention_block_tokens) {
    if (tensors.queries() == 0) return;
    if constexpr (!runs_on_host<Space>) {
        compare_attention_by_query(space, tensors, results);
    } else {
        AttentionTiles const tiles(tensors, block_tokens);
        Kokkos::parallel_for("compare_attention",
                             Kokkos::RangePolicy<Space, Kokkos::Schedule<Kokkos::Dynamic>>(
                                 space, 0, static_cast<std::int64_t>(tiles.count), Kokkos::ChunkSize(1)),
                             [&](std::int64_t const index) {
                                 compare_tile(tensors, tiles, static_cast<std::uint64_t>(index), results);
                             });
        space.fence();
    }
}

}  // namespace kvstone
