#pragma once
// Value by value from a tensor to packed storage and back, at the memory's speed.
//
// `operation` is a copyable object with a KOKKOS_FUNCTION call operator. On the host each thread takes blocks, asks for
// what it reads ahead of time, computes into a small stage in its first-level cache (a loop of fixed length, which the
// compiler vectorises) and streams the stage out.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/host_stores.hpp"
#include "backends/runs.hpp"

namespace kvstone {

/// destination[0..count) = operation(source[0..count)). Host only.
template <class T, class U, class Operation>
inline void map_block(T const* source, U* destination, std::uint64_t count, bool streaming, Operation const operation) {
    alignas(cache_line_bytes) U stage[staged_values];
    std::uint64_t done = 0;
    for (; done + staged_values <= count; done += staged_values) {
        prefetch(source + done + staged_values, staged_values * sizeof(T));
        for (std::uint64_t i = 0; i < staged_values; ++i) stage[i] = operation(source[done + i]);
        store(destination + done, stage, sizeof(stage), streaming);
    }
    for (std::uint64_t i = 0; i < count - done; ++i) stage[i] = operation(source[done + i]);
    store(destination + done, stage, (count - done) * sizeof(U), streaming);
    finish_stores();
}

/// packed[i] = operation(value i of the tensor, in [layer, head, token, dim] order).
template <class Space, class T, class U, class Operation>
void map_to_packed(Space const& space, KvSpan<T const> values, U* packed, Operation const& operation) {
    Runs<T const> const runs(values);
    if constexpr (runs_on_host<Space>) {
        bool const streaming = runs.values() * sizeof(U) >= streaming_from_bytes;
        Kokkos::parallel_for("map_to_packed", Kokkos::RangePolicy<Space>(space, 0, runs.blocks()),
                             [=](std::int64_t const i) {
                                 auto const block = runs.block(i);
                                 map_block(block.values, packed + block.packed, block.count, streaming, operation);
                             });
    } else {
        Kokkos::parallel_for(
            "map_to_packed", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(runs.values())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const at = static_cast<std::uint64_t>(i);
                packed[at] = operation(runs.value(at));
            });
    }
}

/// Value i of the tensor, in [layer, head, token, dim] order, = operation(packed[i]).
template <class Space, class T, class U, class Operation>
void map_from_packed(Space const& space, U const* packed, KvSpan<T> values, Operation const& operation) {
    Runs<T> const runs(values);
    if constexpr (runs_on_host<Space>) {
        bool const streaming = runs.values() * sizeof(T) >= streaming_from_bytes;
        Kokkos::parallel_for("map_from_packed", Kokkos::RangePolicy<Space>(space, 0, runs.blocks()),
                             [=](std::int64_t const i) {
                                 auto const block = runs.block(i);
                                 map_block(packed + block.packed, block.values, block.count, streaming, operation);
                             });
    } else {
        Kokkos::parallel_for(
            "map_from_packed", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(runs.values())),
            KOKKOS_LAMBDA(std::int64_t const i) {
                auto const at = static_cast<std::uint64_t>(i);
                runs.value(at) = operation(packed[at]);
            });
    }
}

}  // namespace kvstone
