#pragma once
// Value by value from a tensor to packed storage and back, at the memory's speed.
//
// `operation` is a copyable object with a KOKKOS_FUNCTION call operator. On the host each thread takes blocks, in loops that
// vectorise or in code of the operation's own.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/host_for.hpp"
#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/runs.hpp"

namespace kvstone {

/// Operations that have code for vector units: block(source, destination, count, streaming) maps a run of values, which lie
/// in memory, one after the other. `destination` starts a cache line where `streaming`, and may be written past the cache.
template <class Operation, class T, class U>
concept MapsBlocks = requires(Operation const& operation, T const* source, U* destination, std::uint64_t count,
                              bool streaming) { operation.block(source, destination, count, streaming); };

/// destination[0..count) = operation(source[0..count)). Host only.
template <class T, class U, class Operation>
inline void map_block(T const* source, U* destination, std::uint64_t count, bool streaming, Operation const operation) {
    std::uint64_t done = 0;
    if (streaming) {
        for (auto const before = values_before_line(destination, count); done < before; ++done) {
            destination[done] = operation(source[done]);
        }
    }
    if constexpr (MapsBlocks<Operation, T, U>) {
        operation.block(source + done, destination + done, count - done, streaming);
    } else {
        alignas(cache_line_bytes) U stage[staged_values];
        while (done < count) {
            auto const now = count - done < staged_values ? count - done : staged_values;
            prefetch(reinterpret_cast<std::byte const*>(source + done) + prefetch_distance_bytes, now * sizeof(T));
            for (std::uint64_t i = 0; i < now; ++i) stage[i] = operation(source[done + i]);
            store(destination + done, stage, now * sizeof(U), streaming);
            done += now;
        }
    }
    if (streaming) finish_stores();
}

/// packed[i] = operation(value i of the tensor, in [layer, head, token, dim] order).
template <class Space, class T, class U, class Operation>
void map_to_packed(Space const& space, KvSpan<T const> values, U* packed, Operation const& operation) {
    Runs<T const> const runs(values);
    if constexpr (runs_on_host<Space>) {
        bool const streaming = runs.values() * sizeof(U) >= streaming_from_bytes;
        host_for(space, "map_to_packed", runs.blocks(), [=](std::int64_t const i) {
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
        host_for(space, "map_from_packed", runs.blocks(), [=](std::int64_t const i) {
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
