#pragma once
// Vectors from one tensor to another of the same shape, however each lies in memory.

#include <cstdint>
#include <cstring>

#include <Kokkos_Core.hpp>

#include "backends/kernels/floats.hpp"
#include "backends/kernels/map_values.hpp"
#include "backends/kv_view.hpp"
#include "backends/spaces.hpp"

namespace kvstone {

/// Copies from this size on are shared between threads: waking them takes as long as copying less.
inline constexpr std::size_t shared_from_bytes = std::size_t{128} << 10;

/// Every vector of `from` to its place in `to`. Requires equal shapes and memory that does not overlap.
template <class Space, class T>
void copy_vectors(Space const& space, KvSpan<T const> from, KvSpan<T> to) {
    auto const heads = from.shape.heads;
    auto const dim = from.shape.dim;
    if (from.shape.values() == 0) return;  // no memory may stand behind it
    if constexpr (runs_on_host<Space>) {
        bool const runs = from.strides.token == dim && to.strides.token == dim;
        auto const run_tokens = runs ? from.shape.tokens : 1;
        auto const copy_head = [=](std::uint64_t layer, std::uint64_t head) {
            for (std::uint64_t t = 0; t < from.shape.tokens; t += run_tokens) {
                std::memcpy(to.vector(layer, head, t), from.vector(layer, head, t), run_tokens * dim * sizeof(T));
            }
        };
        if (from.shape.values() * sizeof(T) < shared_from_bytes) {
            for (std::uint64_t layer = 0; layer < from.shape.layers; ++layer) {
                for (std::uint64_t head = 0; head < heads; ++head) copy_head(layer, head);
            }
            return;
        }
        Kokkos::parallel_for(
            "copy_vectors", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(from.shape.layers * heads)),
            [=](std::int64_t const i) {
                copy_head(static_cast<std::uint64_t>(i) / heads, static_cast<std::uint64_t>(i) % heads);
            });
    } else {
        auto const tokens = from.shape.tokens;
        Kokkos::parallel_for(
            "copy_vectors", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(from.shape.values())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const at = static_cast<std::uint64_t>(i);
                auto const vector = at / dim;
                auto const token = vector % tokens;
                auto const head = vector / tokens % heads;
                auto const layer = vector / tokens / heads;
                to(layer, head, token, at % dim) = from(layer, head, token, at % dim);
            });
    }
}

/// The same for views of one element type.
inline void copy_view(BackendKind kind, KvView const& from, KvView const& to) {
    with_space(kind, [&](auto const& space) {
        with_elements(from, [&]<class T>(KvSpan<T> span) { copy_vectors(space, read_only(span), to.as<T>()); });
    });
}

/// `rows` rows of `bytes` bytes, which lie `from_stride` and `to_stride` bytes apart.
inline void copy_rows(BackendKind kind, std::byte const* from, std::uint64_t from_stride, std::byte* to,
                      std::uint64_t to_stride, std::uint64_t rows, std::uint64_t bytes) {
    KvShape const shape{1, rows, 1, bytes};
    with_space(kind, [&](auto const& space) {
        copy_vectors(space, KvSpan<std::byte const>{from, shape, {0, from_stride, bytes}},
                     KvSpan<std::byte>{to, shape, {0, to_stride, bytes}});
    });
}

}  // namespace kvstone
