#pragma once
// Pairs of channels rotated by angles that grow with a vector's position, as RoPE does.
//
// Angles are taken in double precision. Position p is 64 hi + lo: sine and cosine are computed for each hi and each lo
// that occurs, and those of p follow from the addition theorem, so that they depend on the position alone.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/host_for.hpp"
#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/rotation.hpp"
#include "backends/kernels/runs.hpp"

namespace kvstone {

/// Channels of the largest vector that is rotated.
inline constexpr std::uint64_t most_rotated_channels = 4096;

/// Pairs (i, i + distance) or (2i, 2i + 1) of the vectors of consecutive positions, and their angles.
class PairRotations {
  public:
    static constexpr std::uint64_t fine_rows = 64;

    /// `frequencies`: angle of one position step, one a pair. `memory`: memory_bytes() in the backend's memory.
    PairRotations(std::uint64_t pairs, bool interleaved, bool backwards, std::uint64_t first_position,
                  std::uint64_t positions, double const* frequencies, std::byte* memory)
        : pairs_(pairs),
          interleaved_(interleaved),
          direction_(backwards ? -1 : 1),
          first_(first_position),
          positions_(positions),
          frequencies_(frequencies),
          table_(reinterpret_cast<Rotation*>(memory)) {}

    static std::size_t memory_bytes(std::uint64_t pairs, std::uint64_t positions) {
        return (fine_rows + positions / fine_rows + 2) * pairs * sizeof(Rotation);
    }

    KOKKOS_INLINE_FUNCTION std::uint64_t pairs() const { return pairs_; }
    KOKKOS_INLINE_FUNCTION bool interleaved() const { return interleaved_; }
    KOKKOS_INLINE_FUNCTION std::uint64_t first_channel(std::uint64_t pair) const {
        return interleaved_ ? 2 * pair : pair;
    }
    KOKKOS_INLINE_FUNCTION std::uint64_t second_channel(std::uint64_t pair) const {
        return interleaved_ ? 2 * pair + 1 : pair + pairs_;
    }

    /// The rotation of a pair at the first position + index.
    KOKKOS_INLINE_FUNCTION Rotation at(std::uint64_t index, std::uint64_t pair) const {
        return product(coarse(index)[pair], fine(index)[pair]);
    }
    KOKKOS_INLINE_FUNCTION Rotation const* coarse(std::uint64_t index) const {
        return table_ + (fine_rows + (first_ + index) / fine_rows - first_ / fine_rows) * pairs_;
    }
    KOKKOS_INLINE_FUNCTION Rotation const* fine(std::uint64_t index) const {
        return table_ + (first_ + index) % fine_rows * pairs_;
    }
    static KOKKOS_INLINE_FUNCTION Rotation product(Rotation a, Rotation b) {
        return {a.cosine * b.cosine - a.sine * b.sine, a.sine * b.cosine + a.cosine * b.sine};
    }

    /// Computes what at() looks up. Rows of few positions are few.
    template <class Space>
    void fill(Space const& space) const {
        auto const fine_count = positions_ < fine_rows ? positions_ : fine_rows;
        auto const coarse_first = first_ / fine_rows;
        auto const coarse_count = (first_ + positions_ - 1) / fine_rows - coarse_first + 1;
        auto const self = *this;
        Kokkos::parallel_for(
            "rotation_tables",
            Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>((fine_count + coarse_count) * pairs_)),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const row = static_cast<std::uint64_t>(i) / self.pairs_;
                auto const pair = static_cast<std::uint64_t>(i) % self.pairs_;
                bool const is_fine = row < fine_count;
                auto const place = is_fine ? (self.first_ + row) % fine_rows : fine_rows + row - fine_count;
                auto const position = is_fine ? place : (coarse_first + row - fine_count) * fine_rows;
                auto const angle = self.direction_ * static_cast<double>(position) * self.frequencies_[pair];
                self.table_[place * self.pairs_ + pair] = rotation_by(angle);
            });
    }

  private:
    std::uint64_t pairs_;
    bool interleaved_;
    double direction_;
    std::uint64_t first_;
    std::uint64_t positions_;
    double const* frequencies_;
    Rotation* table_;
};

/// One vector. `cosines` and `sines`: pairs() of them. `to` is not `from`.
inline void rotate_vector(float const* from, float const* cosines, float const* sines, std::uint64_t pairs,
                          bool interleaved, float* to) {
    if (interleaved) {
        for (std::uint64_t i = 0; i < pairs; ++i) {
            float const x = from[2 * i];
            float const y = from[2 * i + 1];
            to[2 * i] = x * cosines[i] - y * sines[i];
            to[2 * i + 1] = y * cosines[i] + x * sines[i];
        }
        return;
    }
    for (std::uint64_t i = 0; i < pairs; ++i) {
        float const x = from[i];
        float const y = from[i + pairs];
        to[i] = x * cosines[i] - y * sines[i];
        to[i + pairs] = y * cosines[i] + x * sines[i];
    }
}

/// out(l, h, t, .) = in(l, h, t, .) with its pairs rotated by the angles of token t, on the host. Each thread takes some
/// tokens of all layers and heads, for which it holds the angles' sines and cosines as f32 in the first-level cache.
template <class Space>
void rotate_pairs_on_host(Space const& space, KvSpan<float const> in, KvSpan<float> out,
                          PairRotations const& rotations) {
    constexpr std::uint64_t table_pairs = most_rotated_channels / 2;
    auto const pairs = rotations.pairs();
    auto const dim = in.shape.dim;
    auto const tokens = in.shape.tokens;
    auto const tokens_at_once = pairs == 0 ? tokens : table_pairs / pairs;
    auto const tiles = (tokens + tokens_at_once - 1) / tokens_at_once;
    bool const streaming = in.data != out.data && in.shape.values() * sizeof(float) >= streaming_from_bytes;
    host_for(space, "rotate_pairs", static_cast<std::int64_t>(tiles), [=](std::int64_t const tile) {
        alignas(cache_line_bytes) float cosines[table_pairs];
        alignas(cache_line_bytes) float sines[table_pairs];
        alignas(cache_line_bytes) float stage[most_rotated_channels];
        auto const first = static_cast<std::uint64_t>(tile) * tokens_at_once;
        auto const end = first + tokens_at_once < tokens ? first + tokens_at_once : tokens;
        for (auto token = first; token < end; ++token) {
            auto const* const coarse = rotations.coarse(token);
            auto const* const fine = rotations.fine(token);
            for (std::uint64_t i = 0; i < pairs; ++i) {
                auto const rotation = PairRotations::product(coarse[i], fine[i]);
                cosines[(token - first) * pairs + i] = static_cast<float>(rotation.cosine);
                sines[(token - first) * pairs + i] = static_cast<float>(rotation.sine);
            }
        }
        for (std::uint64_t layer = 0; layer < in.shape.layers; ++layer) {
            for (std::uint64_t head = 0; head < in.shape.heads; ++head) {
                for (auto token = first; token < end; ++token) {
                    auto const* const from = in.vector(layer, head, token);
                    auto const row = (token - first) * pairs;
                    prefetch(from + 4 * dim, dim * sizeof(float));
                    rotate_vector(from, cosines + row, sines + row, pairs, rotations.interleaved(), stage);
                    for (auto c = 2 * pairs; c < dim; ++c) stage[c] = from[c];
                    store(out.vector(layer, head, token), stage, dim * sizeof(float), streaming);
                }
            }
        }
        finish_stores();
    });
}

/// The same where one thread takes one pair.
template <class Space>
void rotate_pairs_one_by_one(Space const& space, KvSpan<float const> in, KvSpan<float> out,
                             PairRotations const& rotations) {
    auto const shape = in.shape;
    auto const pairs = rotations.pairs();
    auto const items = shape.dim - pairs;  // the other channels are copied
    Kokkos::parallel_for(
        "rotate_pairs", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(shape.vectors() * items)),
        KOKKOS_LAMBDA(std::int64_t const i) {
            auto const at = static_cast<std::uint64_t>(i);
            auto const item = at % items;
            auto const token = at / items % shape.tokens;
            auto const group = at / items / shape.tokens;
            auto const* const from = in.vector(group / shape.heads, group % shape.heads, token);
            auto* const to = out.vector(group / shape.heads, group % shape.heads, token);
            if (item >= pairs) {
                to[item + pairs] = from[item + pairs];
                return;
            }
            auto const rotation = rotations.at(token, item);
            auto const cosine = static_cast<float>(rotation.cosine);
            auto const sine = static_cast<float>(rotation.sine);
            float const x = from[rotations.first_channel(item)];
            float const y = from[rotations.second_channel(item)];
            to[rotations.first_channel(item)] = x * cosine - y * sine;
            to[rotations.second_channel(item)] = y * cosine + x * sine;
        });
}

/// out(l, h, t, .) = in(l, h, t, .) with its pairs rotated; in and out may be the same memory. Requires
/// rotations.fill(), and vectors of at most most_rotated_channels.
template <class Space>
void rotate_pairs(Space const& space, KvSpan<float const> in, KvSpan<float> out, PairRotations const& rotations) {
    if constexpr (runs_on_host<Space>) {
        rotate_pairs_on_host(space, in, out, rotations);
    } else {
        rotate_pairs_one_by_one(space, in, out, rotations);
    }
}

}  // namespace kvstone
