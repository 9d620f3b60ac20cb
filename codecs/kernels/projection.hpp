#pragma once
// Vectors of merged heads and layers onto a basis and back: y = (x - m) W, x' = m + y W^T.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/host_for.hpp"
#include "backends/kernels/runs.hpp"
#include "codecs/kernels/multiply_rows.hpp"

namespace kvstone {

/// How the heads and layers of a box are merged: vectors that lie beside each other make one long vector, in [layer, head,
/// channel] order. The last group may have fewer layers, and is then shorter.
struct VectorGroups {
    KvShape shape;
    std::uint64_t group_layers;  ///< 1 or more
    std::uint64_t group_heads;   ///< a divisor of shape.heads
    std::uint64_t rank;          ///< components kept; a group that has fewer values keeps all of them

    KOKKOS_INLINE_FUNCTION std::uint64_t across() const { return shape.heads / group_heads; }
    KOKKOS_INLINE_FUNCTION std::uint64_t count() const {
        return (shape.layers + group_layers - 1) / group_layers * across();
    }
    /// Values of a group's vector, and of the longest one.
    KOKKOS_INLINE_FUNCTION std::uint64_t length() const { return group_layers * group_heads * shape.dim; }
    KOKKOS_INLINE_FUNCTION std::uint64_t length(std::uint64_t group) const { return runs(group) * shape.dim; }
    KOKKOS_INLINE_FUNCTION std::uint64_t rank_of(std::uint64_t group) const {
        auto const values = length(group);
        return values < rank ? values : rank;
    }
    /// Vectors of the tensor that a group merges.
    KOKKOS_INLINE_FUNCTION std::uint64_t runs(std::uint64_t group) const {
        auto const first = group / across() * group_layers;
        auto const left = shape.layers - first;
        return (left < group_layers ? left : group_layers) * group_heads;
    }
    KOKKOS_INLINE_FUNCTION std::uint64_t layer(std::uint64_t group, std::uint64_t run) const {
        return group / across() * group_layers + run / group_heads;
    }
    KOKKOS_INLINE_FUNCTION std::uint64_t head(std::uint64_t group, std::uint64_t run) const {
        return group % across() * group_heads + run % group_heads;
    }
    /// What a projection hands on.
    KvShape coded() const { return {(shape.layers + group_layers - 1) / group_layers, across(), shape.tokens, rank}; }
};

/// The bases of all groups as kernels read them, each group's `*_stride` values behind the one before; 0 where all groups
/// share one but for a shorter last one, whose own follows.
struct PackedBases {
    float const* forward;   ///< W, packed: length x rank
    float const* backward;  ///< W^T, for each run packed: rank x dim
    float const* mean;      ///< m, `length` values a group; null: none
    bool shared;

    KOKKOS_INLINE_FUNCTION static std::uint64_t forward_values(VectorGroups const& groups) {
        return packed_matrix_values(groups.length(), groups.rank);
    }
    KOKKOS_INLINE_FUNCTION static std::uint64_t backward_values(VectorGroups const& groups) {
        return groups.group_layers * groups.group_heads * packed_matrix_values(groups.rank, groups.shape.dim);
    }
    /// How many bases there are.
    static std::uint64_t count(VectorGroups const& groups, bool shared) { return shared ? 2 : groups.count(); }
    /// Values of all of them, matrices and means one behind the other.
    static std::uint64_t values(VectorGroups const& groups, bool shared, bool with_mean) {
        return count(groups, shared) *
               (forward_values(groups) + backward_values(groups) + (with_mean ? groups.length() : 0));
    }
    KOKKOS_INLINE_FUNCTION std::uint64_t index(VectorGroups const& groups, std::uint64_t group) const {
        return !shared ? group : groups.length(group) < groups.length() ? 1 : 0;
    }
};

/// Copies entry (component, channel) of a group's basis into the packed matrices `index`.
KOKKOS_INLINE_FUNCTION void pack_entry(VectorGroups const& groups, std::uint64_t group, std::uint64_t index,
                                       std::uint64_t component, std::uint64_t channel, float value, float* forward,
                                       float* backward) {
    auto const dim = groups.shape.dim;
    auto const rank = groups.rank_of(group);
    auto const run = packed_matrix_values(groups.rank, dim);
    forward[index * PackedBases::forward_values(groups) +
            packed_matrix_place(groups.length(group), channel, component)] = value;
    backward[index * PackedBases::backward_values(groups) + channel / dim * run +
             packed_matrix_place(rank, component, channel % dim)] = value;
}

/// Tokens and channels that a host thread works on at a time: rows of 128 channels and a panel of the basis fill the nearest
/// cache, and every panel that is read serves so many tokens.
inline constexpr std::uint64_t projected_tokens = 48;
inline constexpr std::uint64_t projected_channels = 256;

/// coded(group, token, component) of all groups; components beyond a short group's are 0.
template <class Space>
void project_vectors(Space const& space, VectorGroups const& groups, PackedBases const& bases, KvSpan<float const> in,
                     KvSpan<float> coded) {
    auto const stride = PackedBases::forward_values(groups);
    auto const across = groups.across();
    if constexpr (runs_on_host<Space>) {
        auto const blocks = (in.shape.tokens + projected_tokens - 1) / projected_tokens;
        host_for(
            space, "project_vectors", static_cast<std::int64_t>(groups.count() * blocks), [=](std::int64_t const i) {
                alignas(64) float centred[projected_tokens * projected_channels];
                auto const group = static_cast<std::uint64_t>(i) / blocks;
                auto const token = static_cast<std::uint64_t>(i) % blocks * projected_tokens;
                auto const left = in.shape.tokens - token;
                auto const tokens = left < projected_tokens ? left : projected_tokens;
                auto const dim = groups.shape.dim;
                auto const rank = groups.rank_of(group);
                auto* const out = coded.vector(group / across, group % across, token);
                for (std::uint64_t run = 0; run < groups.runs(group); ++run) {
                    for (std::uint64_t c = 0; c < dim; c += projected_channels) {
                        auto const channels = dim - c < projected_channels ? dim - c : projected_channels;
                        auto const first = run * dim + c;
                        auto const* values = in.vector(groups.layer(group, run), groups.head(group, run), token) + c;
                        auto from_stride = in.strides.token;
                        if (bases.mean != nullptr) {
                            auto const* const mean = bases.mean + group * groups.length() + first;
                            for (std::uint64_t t = 0; t < tokens; ++t) {
                                for (std::uint64_t k = 0; k < channels; ++k)
                                    centred[t * projected_channels + k] = values[t * from_stride + k] - mean[k];
                            }
                            values = centred;
                            from_stride = projected_channels;
                        }
                        multiply_rows(values, from_stride, tokens,
                                      {bases.forward + bases.index(groups, group) * stride, groups.length(group), first,
                                       channels, rank},
                                      out, coded.strides.token, first > 0);
                    }
                }
                for (std::uint64_t t = 0; t < tokens; ++t) {
                    for (auto c = rank; c < groups.rank; ++c) out[t * coded.strides.token + c] = 0;
                }
            });
    } else {
        Kokkos::parallel_for(
            "project_vectors", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(coded.shape.values())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const component = static_cast<std::uint64_t>(i) % groups.rank;
                auto const token = static_cast<std::uint64_t>(i) / groups.rank % in.shape.tokens;
                auto const group = static_cast<std::uint64_t>(i) / groups.rank / in.shape.tokens;
                auto const dim = groups.shape.dim;
                auto const length = groups.length(group);
                auto const* const matrix = bases.forward + bases.index(groups, group) * stride;
                float sum = 0;
                for (std::uint64_t k = 0; component < groups.rank_of(group) && k < length; ++k) {
                    float value = in(groups.layer(group, k / dim), groups.head(group, k / dim), token, k % dim);
                    if (bases.mean != nullptr) value -= bases.mean[group * groups.length() + k];
                    sum = Kokkos::fma(value, matrix[packed_matrix_place(length, k, component)], sum);
                }
                coded(group / across, group % across, token, component) = sum;
            });
    }
}

/// The way back: every value of `out`.
template <class Space>
void rebuild_vectors(Space const& space, VectorGroups const& groups, PackedBases const& bases,
                     KvSpan<float const> coded, KvSpan<float> out) {
    auto const stride = PackedBases::backward_values(groups);
    auto const run_values = packed_matrix_values(groups.rank, groups.shape.dim);
    auto const across = groups.across();
    if constexpr (runs_on_host<Space>) {
        auto const blocks = (out.shape.tokens + projected_tokens - 1) / projected_tokens;
        host_for(
            space, "rebuild_vectors", static_cast<std::int64_t>(groups.count() * blocks), [=](std::int64_t const i) {
                auto const group = static_cast<std::uint64_t>(i) / blocks;
                auto const token = static_cast<std::uint64_t>(i) % blocks * projected_tokens;
                auto const left = out.shape.tokens - token;
                auto const tokens = left < projected_tokens ? left : projected_tokens;
                auto const dim = groups.shape.dim;
                auto const rank = groups.rank_of(group);
                auto const* const from = coded.vector(group / across, group % across, token);
                for (std::uint64_t run = 0; run < groups.runs(group); ++run) {
                    auto* const to = out.vector(groups.layer(group, run), groups.head(group, run), token);
                    for (std::uint64_t t = 0; bases.mean != nullptr && t < tokens; ++t) {
                        auto const* const mean = bases.mean + group * groups.length() + run * dim;
                        for (std::uint64_t c = 0; c < dim; ++c) to[t * out.strides.token + c] = mean[c];
                    }
                    multiply_rows(
                        from, coded.strides.token, tokens,
                        {bases.backward + bases.index(groups, group) * stride + run * run_values, rank, 0, rank, dim},
                        to, out.strides.token, bases.mean != nullptr);
                }
            });
    } else {
        Kokkos::parallel_for(
            "rebuild_vectors", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(out.shape.values())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const at = static_cast<std::uint64_t>(i);
                auto const channel = at % out.shape.dim;
                auto const token = at / out.shape.dim % out.shape.tokens;
                auto const head = at / out.shape.dim / out.shape.tokens % out.shape.heads;
                auto const layer = at / out.shape.dim / out.shape.tokens / out.shape.heads;
                auto const group = layer / groups.group_layers * across + head / groups.group_heads;
                auto const run = layer % groups.group_layers * groups.group_heads + head % groups.group_heads;
                auto const rank = groups.rank_of(group);
                auto const* const matrix = bases.backward + bases.index(groups, group) * stride + run * run_values;
                float sum =
                    bases.mean == nullptr ? 0 : bases.mean[group * groups.length() + run * out.shape.dim + channel];
                for (std::uint64_t k = 0; k < rank; ++k)
                    sum = Kokkos::fma(coded(group / across, group % across, token, k),
                                      matrix[packed_matrix_place(rank, k, channel)], sum);
                out(layer, head, token, channel) = sum;
            });
    }
}

}  // namespace kvstone
