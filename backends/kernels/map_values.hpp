#pragma once
// Value by value from a tensor to packed storage and back, at the memory's speed.
//
// `operation` is a copyable object with a KOKKOS_FUNCTION call operator. On the host each thread takes blocks and makes
// one cache line after the other (a loop of fixed length, which the compiler vectorises), streamed out.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/host_stores.hpp"
#include "backends/kernels/runs.hpp"

namespace kvstone {

/// Values of a step: whole cache lines of the source and of the destination, so that loops over them vectorise evenly.
template <class T, class U>
inline constexpr std::uint64_t step_values = line_values<T> > line_values<U> ? line_values<T> : line_values<U>;

/// Operations that make a cache line of what they write by themselves: line(source, line).
template <class Operation, class T, class U>
concept MakesLines = requires(Operation const& operation, T const* source, U* line) { operation.line(source, line); };

/// `steps` steps of destination = operation(source); `destination` starts a cache line where `streaming`. Host only.
template <bool streaming, class T, class U, class Operation>
inline void map_steps(T const* source, U* destination, std::uint64_t steps, Operation const operation) {
    constexpr auto values = step_values<T, U>;
    for (; steps > 0; --steps, source += values, destination += values) {
        prefetch(reinterpret_cast<std::byte const*>(source) + prefetch_distance_bytes, values * sizeof(T));
        alignas(cache_line_bytes) U lines[values];
        if constexpr (MakesLines<Operation, T, U>) {
            for (std::uint64_t i = 0; i < values; i += line_values<U>) operation.line(source + i, lines + i);
        } else {
            for (std::uint64_t i = 0; i < values; ++i) lines[i] = operation(source[i]);
        }
        for (std::uint64_t i = 0; i < values; i += line_values<U>) store_line<streaming>(destination + i, lines + i);
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
        auto const steps = (count - done) / step_values<T, U>;
        map_steps<true>(source + done, destination + done, steps, operation);
        done += steps * step_values<T, U>;
        finish_stores();
    } else {
        auto const steps = count / step_values<T, U>;
        map_steps<false>(source, destination, steps, operation);
        done = steps * step_values<T, U>;
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
