#pragma once
// The fast Walsh-Hadamard transform of every vector of a box.
//
// A vector is cut into blocks of 2^k values; with H the Sylvester matrix (H_1 = 1, H_2n = [H_n H_n; H_n -H_n]) and two
// rows of factors p and q a block becomes q (*) H (p (*) x), (*) value by value. On the host a block goes through the
// registers once: steps between neighbours are permutations of lanes, wider ones sums of registers.

#include <cstdint>
#include <utility>

#include <Kokkos_Core.hpp>

#include "backends/kernels/host_for.hpp"
#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/vector_blocks.hpp"

namespace kvstone {

/// Values of the largest block.
inline constexpr std::uint64_t most_hadamard_values = 1024;

/// Values of the block that starts at channel `first`: the largest power of two that fits, up to `most`.
KOKKOS_INLINE_FUNCTION std::uint64_t hadamard_block(std::uint64_t first, std::uint64_t dim, std::uint64_t most) {
    std::uint64_t values = most;
    while (values > dim - first) values /= 2;
    return values;
}

/// What a Walsh-Hadamard transform multiplies with: a row of `dim` factors before and one after.
struct HadamardRows {
    std::uint64_t most_values;  ///< a power of two, up to most_hadamard_values
    float const* before;
    float const* after;
};

#if defined(__GNUC__) && !defined(__CUDACC__)

inline constexpr std::uint64_t hadamard_lanes = 16;
/// Wider than most processors' registers: the compiler then takes several for one.
using HadamardLanes [[gnu::vector_size(hadamard_lanes * sizeof(float))]] = float;

/// lanes[i] = lanes[i] + lanes[i + step] where bit `step` of i is clear, lanes[i - step] - lanes[i] where it is set.
template <int step, int... lane>
[[gnu::always_inline]] inline void butterfly_in_lanes(HadamardLanes& lanes, std::integer_sequence<int, lane...>) {
    HadamardLanes const signs{((lane & step) != 0 ? -1.0F : 1.0F)...};
    lanes = __builtin_shufflevector(lanes, lanes, (lane ^ step)...) + lanes * signs;
}

/// One block of 16 * registers values.
template <int registers>
inline void hadamard_in_registers(float const* in, float const* before, float const* after, float* out) {
    using Sequence = std::make_integer_sequence<int, static_cast<int>(hadamard_lanes)>;
    HadamardLanes value[registers];
#pragma GCC unroll 16
    for (int r = 0; r < registers; ++r) {
        HadamardLanes factor;
        std::memcpy(&value[r], in + r * hadamard_lanes, sizeof(value[r]));
        std::memcpy(&factor, before + r * hadamard_lanes, sizeof(factor));
        value[r] *= factor;
        butterfly_in_lanes<1>(value[r], Sequence{});
        butterfly_in_lanes<2>(value[r], Sequence{});
        butterfly_in_lanes<4>(value[r], Sequence{});
        butterfly_in_lanes<8>(value[r], Sequence{});
    }
#pragma GCC unroll 8
    for (int step = 1; step < registers; step *= 2) {
#pragma GCC unroll 16
        for (int r = 0; r < registers; ++r) {
            if ((r & step) != 0) continue;
            auto const low = value[r];
            value[r] = low + value[r + step];
            value[r + step] = low - value[r + step];
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < registers; ++r) {
        HadamardLanes factor;
        std::memcpy(&factor, after + r * hadamard_lanes, sizeof(factor));
        value[r] *= factor;
        std::memcpy(out + r * hadamard_lanes, &value[r], sizeof(value[r]));
    }
}

/// Whether a block of this size has a form of its own.
[[gnu::always_inline]] inline bool hadamard_fixed(std::uint64_t values, float const* in, float const* before,
                                                  float const* after, float* out) {
    switch (values) {
        case 16:
            hadamard_in_registers<1>(in, before, after, out);
            return true;
        case 32:
            hadamard_in_registers<2>(in, before, after, out);
            return true;
        case 64:
            hadamard_in_registers<4>(in, before, after, out);
            return true;
        case 128:
            hadamard_in_registers<8>(in, before, after, out);
            return true;
        case 256:
            hadamard_in_registers<16>(in, before, after, out);
            return true;
        default:
            return false;
    }
}

#else

inline bool hadamard_fixed(std::uint64_t, float const*, float const*, float const*, float*) { return false; }

#endif

/// One block of any size, in the first-level cache. `out` is not `in`.
inline void hadamard_in_cache(std::uint64_t values, float const* in, float const* before, float const* after,
                              float* out) {
    for (std::uint64_t i = 0; i < values; ++i) out[i] = in[i] * before[i];
    for (std::uint64_t step = 1; step < values; step *= 2) {
        for (std::uint64_t first = 0; first < values; first += 2 * step) {
            for (std::uint64_t i = first; i < first + step; ++i) {
                auto const low = out[i];
                out[i] = low + out[i + step];
                out[i + step] = low - out[i + step];
            }
        }
    }
    for (std::uint64_t i = 0; i < values; ++i) out[i] *= after[i];
}

/// out = the transform of in, which may be the same memory. On the host.
template <class Space>
void walsh_hadamard_on_host(Space const& space, KvSpan<float const> in, KvSpan<float> out, HadamardRows const rows) {
    VectorBlocks const blocks(in.shape, tokens_per_block(in.shape.dim));
    bool const streaming = in.data != out.data && in.shape.values() * sizeof(float) >= streaming_from_bytes;
    host_for(space, "walsh_hadamard", blocks.count(), [=](std::int64_t const index) {
        alignas(cache_line_bytes) float stage[most_hadamard_values];
        auto const block = blocks.block(index);
        auto const dim = in.shape.dim;
        for (auto token = block.token; token < block.token + block.tokens; ++token) {
            auto const* const from = in.vector(block.layer, block.head, token);
            auto* const to = out.vector(block.layer, block.head, token);
            for (std::uint64_t first = 0, values = 0; first < dim; first += values) {
                values = hadamard_block(first, dim, rows.most_values);
                prefetch(from + first + prefetched_values, values * sizeof(float));
                if (!hadamard_fixed(values, from + first, rows.before + first, rows.after + first, stage)) {
                    hadamard_in_cache(values, from + first, rows.before + first, rows.after + first, stage);
                }
                store(to + first, stage, values * sizeof(float), streaming);
            }
        }
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
