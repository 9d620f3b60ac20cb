#pragma once
// The values of a box as sequences: vectors, along dim, or channels, along the tokens of a layer and head.

#include <cstdint>
#include <cstring>

#include <Kokkos_Core.hpp>

#include "backends/kernels/group_ends.hpp"
#include "backends/kernels/host_for.hpp"
#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/vector_blocks.hpp"

namespace kvstone {

/// Sequences in the order [layer, head, token] or [layer, head, channel].
class Sequences {
  public:
    Sequences(KvShape const& shape, bool along_tokens) : shape_(shape), along_tokens_(along_tokens) {}

    bool along_tokens() const { return along_tokens_; }
    KOKKOS_INLINE_FUNCTION std::uint64_t count() const {
        return shape_.layers * shape_.heads * (along_tokens_ ? shape_.dim : shape_.tokens);
    }
    KOKKOS_INLINE_FUNCTION std::uint64_t length() const { return along_tokens_ ? shape_.tokens : shape_.dim; }
    template <class T>
    KOKKOS_INLINE_FUNCTION Strided<T> of(KvSpan<T> const& span, std::uint64_t index) const {
        auto const per_head = along_tokens_ ? shape_.dim : shape_.tokens;
        auto const place = index % per_head;
        auto const head = index / per_head % shape_.heads;
        auto const layer = index / per_head / shape_.heads;
        if (along_tokens_) return {span.vector(layer, head, 0) + place, span.strides.token};
        return {span.vector(layer, head, place), 1};
    }

    /// Memory that edit_sequences() needs on the host: channels are brought together, some at a time.
    std::size_t memory_bytes() const {
        if (!along_tokens_) return 0;
        auto const wanted = tiles() < slices ? tiles() : slices;
        return wanted * tile_channels * shape_.tokens * sizeof(float);
    }
    static constexpr std::uint64_t tile_channels = line_values<float>;
    static constexpr std::uint64_t slices = 16;
    std::uint64_t tiles_per_head() const { return (shape_.dim + tile_channels - 1) / tile_channels; }
    std::uint64_t tiles() const { return shape_.layers * shape_.heads * tiles_per_head(); }
    KvShape const& shape() const { return shape_; }

  private:
    KvShape shape_;
    bool along_tokens_;
};

/// out = in, but for what edit(values, destination, length, index) writes to destination, which is a sequence of out. On
/// the host, vector after vector.
template <class Space, class Edit>
void edit_vectors(Space const& space, Sequences const& sequences, KvSpan<float const> in, KvSpan<float> out,
                  Edit const& edit) {
    auto const dim = in.shape.dim;
    VectorBlocks const blocks(in.shape, tokens_per_block(dim));
    bool const in_place = in.data == out.data;
    bool const streaming = !in_place && in.shape.values() * sizeof(float) >= streaming_from_bytes;
    host_for(space, "edit_vectors", blocks.count(), [=](std::int64_t const i) {
        alignas(cache_line_bytes) float stage[staged_values];
        auto const block = blocks.block(i);
        auto const first = (block.layer * in.shape.heads + block.head) * in.shape.tokens;
        for (auto token = block.token; token < block.token + block.tokens; ++token) {
            auto const* const from = in.vector(block.layer, block.head, token);
            auto* const to = out.vector(block.layer, block.head, token);
            prefetch(reinterpret_cast<std::byte const*>(from) + prefetch_distance_bytes, dim * sizeof(float));
            bool const staged = !in_place && dim <= staged_values;
            auto* const edited = staged ? stage : to;
            if (!in_place) std::memcpy(edited, from, dim * sizeof(float));
            edit(static_cast<float const*>(edited), Strided<float>{edited, 1}, sequences.length(), first + token);
            if (staged) store(to, stage, dim * sizeof(float), streaming);
        }
        finish_stores();
    });
}

/// The same for channels. Those of a cache line are brought together in memory of their own.
template <class Space, class Edit>
void edit_channels(Space const& space, Sequences const& sequences, KvSpan<float const> in, KvSpan<float> out,
                   std::byte* memory, Edit const& edit) {
    auto const slices = sequences.tiles() < Sequences::slices ? sequences.tiles() : Sequences::slices;
    host_for(space, "edit_channels", static_cast<std::int64_t>(slices), [=](std::int64_t const slice) {
        auto const& shape = in.shape;
        auto const at = static_cast<std::uint64_t>(slice);
        auto* const columns = reinterpret_cast<float*>(memory) + at * Sequences::tile_channels * shape.tokens;
        for (auto tile = at; tile < sequences.tiles(); tile += slices) {
            auto const group = tile / sequences.tiles_per_head();
            auto const first = tile % sequences.tiles_per_head() * Sequences::tile_channels;
            auto const left = shape.dim - first;
            auto const channels = left < Sequences::tile_channels ? left : Sequences::tile_channels;
            for (std::uint64_t token = 0; token < shape.tokens; ++token) {
                auto const* const from = in.vector(group / shape.heads, group % shape.heads, token) + first;
                auto* const to = out.vector(group / shape.heads, group % shape.heads, token) + first;
                for (std::uint64_t c = 0; c < channels; ++c) columns[c * shape.tokens + token] = from[c];
                if (from != to) std::memcpy(to, from, channels * sizeof(float));
            }
            for (std::uint64_t c = 0; c < channels; ++c) {
                auto const index = group * shape.dim + first + c;
                edit(static_cast<float const*>(columns + c * shape.tokens), sequences.of(out, index),
                     sequences.length(), index);
            }
        }
    });
}

/// The same where one thread takes one sequence.
template <class Space, class Edit>
void edit_one_by_one(Space const& space, Sequences const& sequences, KvSpan<float const> in, KvSpan<float> out,
                     Edit const& edit) {
    Kokkos::parallel_for(
        "edit_sequences", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(sequences.count())),
        KOKKOS_LAMBDA(std::int64_t const i) {
            auto const index = static_cast<std::uint64_t>(i);
            auto const from = sequences.of(in, index);
            auto const to = sequences.of(out, index);
            auto const length = sequences.length();
            for (std::uint64_t k = 0; k < length; ++k) to[k] = from[k];
            edit(Strided<float const>{to.first, to.stride}, to, length, index);
        });
}

/// out = in, but for what edit(values, destination, length, index) writes to its destination, the sequence `index` of
/// out; `values` may be indexed as the sequence of in. `memory`: sequences.memory_bytes() of the backend's. in and out
/// may be the same.
template <class Space, class Edit>
void edit_sequences(Space const& space, Sequences const& sequences, KvSpan<float const> in, KvSpan<float> out,
                    std::byte* memory, Edit const& edit) {
    if constexpr (runs_on_host<Space>) {
        if (sequences.along_tokens()) {
            edit_channels(space, sequences, in, out, memory, edit);
        } else {
            edit_vectors(space, sequences, in, out, edit);
        }
    } else {
        edit_one_by_one(space, sequences, in, out, edit);
    }
}

}  // namespace kvstone
