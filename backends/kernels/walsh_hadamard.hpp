#pragma once
// The fast Walsh-Hadamard transform of every vector of a box.
//
// A vector is cut into blocks of 2^k values; with H the Sylvester matrix (H_1 = 1, H_2n = [H_n H_n; H_n -H_n]) and two
// rows of factors p and q a block becomes q (*) H (p (*) x), (*) value by value.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/hadamard_vectors.hpp"
#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/vector_blocks.hpp"

namespace kvstone {

/// out = the transform of in, which may be the same memory. On the host.
template <class Space>
void walsh_hadamard_on_host(Space const& space, KvSpan<float const> in, KvSpan<float> out, HadamardRows const rows) {
    VectorBlocks const blocks(in.shape, tokens_per_block(in.shape.dim));
    bool const streaming = in.data != out.data && in.shape.values() * sizeof(float) >= streaming_from_bytes;
    Kokkos::parallel_for("walsh_hadamard", Kokkos::RangePolicy<Space>(space, 0, blocks.count()),
                         [=](std::int64_t const index) {
                             auto const block = blocks.block(index);
                             HadamardVectors const vectors{in.vector(block.layer, block.head, block.token),
                                                           out.vector(block.layer, block.head, block.token),
                                                           in.strides.token,
                                                           out.strides.token,
                                                           block.tokens,
                                                           in.shape.dim,
                                                           streaming};
                             transform_vectors(vectors, rows);
                             finish_stores();
                         });
}

/// The same where a team of threads takes a vector, in memory that they share.
template <class Space>
void walsh_hadamard_in_teams(Space const& space, KvSpan<float const> in, KvSpan<float> out, HadamardRows const rows) {
    using Policy = Kokkos::TeamPolicy<Space>;
    VectorBlocks const vectors(in.shape, 1);
    auto const bytes = most_hadamard_values * sizeof(float);
    Kokkos::parallel_for(
        "walsh_hadamard",
        Policy(space, static_cast<int>(vectors.count()), Kokkos::AUTO)
            .set_scratch_size(0, Kokkos::PerTeam(static_cast<int>(bytes))),
        KOKKOS_LAMBDA(typename Policy::member_type const& team) {
            auto* const stage = static_cast<float*>(team.team_shmem().get_shmem(bytes));
            auto const vector = vectors.block(team.league_rank());
            auto const* const from = in.vector(vector.layer, vector.head, vector.token);
            auto* const to = out.vector(vector.layer, vector.head, vector.token);
            auto const dim = in.shape.dim;
            for (std::uint64_t first = 0, values = 0; first < dim; first += values) {
                values = hadamard_block(first, dim, rows.most_values);
                Kokkos::parallel_for(Kokkos::TeamThreadRange(team, values), [&](std::uint64_t const i) {
                    stage[i] = from[first + i] * rows.before[first + i];
                });
                team.team_barrier();
                for (std::uint64_t step = 1; step < values; step *= 2) {
                    Kokkos::parallel_for(Kokkos::TeamThreadRange(team, values / 2), [&](std::uint64_t const pair) {
                        auto const i = pair / step * 2 * step + pair % step;
                        auto const low = stage[i];
                        stage[i] = low + stage[i + step];
                        stage[i + step] = low - stage[i + step];
                    });
                    team.team_barrier();
                }
                Kokkos::parallel_for(Kokkos::TeamThreadRange(team, values),
                                     [&](std::uint64_t const i) { to[first + i] = stage[i] * rows.after[first + i]; });
                team.team_barrier();
            }
        });
}

/// out = the transform of in, which may be the same memory.
template <class Space>
void walsh_hadamard(Space const& space, KvSpan<float const> in, KvSpan<float> out, HadamardRows const& rows) {
    if constexpr (runs_on_host<Space>) {
        walsh_hadamard_on_host(space, in, out, rows);
    } else {
        walsh_hadamard_in_teams(space, in, out, rows);
    }
}

}  // namespace kvstone
