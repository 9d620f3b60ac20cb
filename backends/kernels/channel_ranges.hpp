#pragma once
// Least and greatest value of each channel of each head, over all tokens of a box.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/channel_rows.hpp"
#include "backends/kernels/floats.hpp"
#include "backends/kernels/host_for.hpp"

namespace kvstone {

/// Integers in the order of floats (see ordered()); where no value is finite, low is above high.
struct ChannelEnds {
    std::int32_t low;
    std::int32_t high;

    /// Values that are not finite count as absent.
    KOKKOS_INLINE_FUNCTION static ChannelEnds of(float value) {
        auto const key = ordered(value);
        bool const finite = key < infinity_bits && key > ~infinity_bits;
        return {finite ? key : INT32_MAX, finite ? key : INT32_MIN};
    }
    KOKKOS_INLINE_FUNCTION static ChannelEnds none() { return {INT32_MAX, INT32_MIN}; }
    KOKKOS_INLINE_FUNCTION void widen(ChannelEnds const& other) {
        low = other.low < low ? other.low : low;
        high = other.high > high ? other.high : high;
    }
};

/// How many ChannelEnds channel_ranges() needs as workspace.
inline std::uint64_t channel_range_partials(KvShape const& shape) {
    return shape.layers * shape.heads * channel_sum_rows(shape) * shape.dim;
}

/// partials[layer, head, block, channel] = the ends over the block's tokens.
template <class Space, class T>
void channel_block_ranges(Space const& space, KvSpan<T const> values, ChannelEnds* partials) {
    VectorBlocks const blocks(values.shape, tokens_per_block(values.shape.dim));
    auto const dim = values.shape.dim;
    if constexpr (runs_on_host<Space>) {
        host_for(space, "channel_ranges", blocks.count(), [=](std::int64_t const index) {
            auto const block = blocks.block(index);
            for (std::uint64_t first = 0; first < dim; first += summed_channels) {
                auto const channels = dim - first < summed_channels ? dim - first : summed_channels;
                std::int32_t low[summed_channels];
                std::int32_t high[summed_channels];
                for (std::uint64_t c = 0; c < channels; ++c) {
                    low[c] = ChannelEnds::none().low;
                    high[c] = ChannelEnds::none().high;
                }
                for (auto token = block.token; token < block.token + block.tokens; ++token) {
                    auto const* const from = values.vector(block.layer, block.head, token) + first;
                    prefetch(from + prefetched_values, channels * sizeof(T));
                    for (std::uint64_t c = 0; c < channels; ++c) {
                        auto const ends = ChannelEnds::of(to_float(from[c]));
                        low[c] = ends.low < low[c] ? ends.low : low[c];
                        high[c] = ends.high > high[c] ? ends.high : high[c];
                    }
                }
                auto* const row = partials + static_cast<std::uint64_t>(index) * dim + first;
                for (std::uint64_t c = 0; c < channels; ++c) row[c] = {low[c], high[c]};
            }
        });
    } else {
        Kokkos::parallel_for(
            "channel_ranges", Kokkos::RangePolicy<Space>(space, 0, blocks.count() * static_cast<std::int64_t>(dim)),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const at = static_cast<std::uint64_t>(i);
                auto const block = blocks.block(static_cast<std::int64_t>(at / dim));
                auto ends = ChannelEnds::none();
                for (auto token = block.token; token < block.token + block.tokens; ++token) {
                    ends.widen(ChannelEnds::of(to_float(values(block.layer, block.head, token, at % dim))));
                }
                partials[at] = ends;
            });
    }
}

/// take(index, low, high) for every channel in [layer, head, channel] order: its least and greatest finite value, both 0
/// where there is none.
template <class Space, class T, class Take>
void channel_ranges(Space const& space, KvSpan<T const> values, ChannelEnds* partials, Take const take) {
    channel_block_ranges(space, values, partials);
    auto const dim = values.shape.dim;
    auto const blocks = channel_sum_rows(values.shape);
    auto const channels = values.shape.layers * values.shape.heads * dim;
    Kokkos::parallel_for(
        "channel_ranges_merge", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(channels)),
        KOKKOS_LAMBDA(std::int64_t const i) {
            auto const at = static_cast<std::uint64_t>(i);
            auto ends = ChannelEnds::none();
            for (std::uint64_t b = 0; b < blocks; ++b) {
                ends.widen(partials[(at / dim * blocks + b) * dim + at % dim]);
            }
            bool const any = ends.low <= ends.high;
            take(at, any ? from_ordered(ends.low) : 0.0F, any ? from_ordered(ends.high) : 0.0F);
        });
}

}  // namespace kvstone
