#pragma once
// Value by value from a tensor to packed storage and back, at the memory's speed.
//
// `operation` is a copyable object with a KOKKOS_FUNCTION call operator. On the host each thread takes blocks and makes
// one cache line of output after the other (a loop of fixed length, which the compiler vectorises), streamed out.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/host_stores.hpp"
#include "backends/runs.hpp"

namespace kvstone {

/// destination[0..lines) cache lines = operation(source). Host only.
template <bool streaming, class T, class U, class Operation>
inline void map_lines(T const* source, U* destination, std::uint64_t lines, Operation const operation) {
    static_assert(cache_line_bytes % sizeof(U) == 0);
    for (; lines > 0; --lines, source += line_values<U>, destination += line_values<U>) {
        prefetch(reinterpret_cast<std::byte const*>(source) + prefetch_distance_bytes, line_values<U> * sizeof(T));
        alignas(cache_line_bytes) U line[line_values<U>];
        for (std::uint64_t i = 0; i < line_values<U>; ++i) line[i] = operation(source[i]);
        store_line<streaming>(destination, line);
    }
}

/// destination[0..count) = operation(source[0..count)). Host only.
template <class T, class U, class Operation>
inline void map_block(T const* source, U* destination, std::uint64_t count, bool streaming, Operation const operation) {
    std::uint64_t done = 0;
    if (streaming) {
        for (auto const before = values_before_line(destination, count); done < before; ++done) {
            destination[done] = operation(source[done]);
        }
        auto const lines = (count - done) / line_values<U>;
        map_lines<true>(source + done, destination + done, lines, operation);
        done += lines * line_values<U>;
        finish_stores();
    } else {
        auto const lines = count / line_values<U>;
        map_lines<false>(source, destination, lines, operation);
        done = lines * line_values<U>;
    }
    for (; done < count; ++done) destination[done] = operation(source[done]);
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
