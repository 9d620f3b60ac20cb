#pragma once
// Two stages of work on a row of items that work at the same time: one on a processor, the other mostly waiting for a disk.

#include <functional>

#include "harness/cache/bounded_queue.hpp"

namespace kvstone {

/// Runs `beside` in a thread of its own, on any processor of this process, while `here` runs; returns when both have
/// ended. When `here` has ended, stop_beside() is called, which must let `beside` end; when `beside` has ended,
/// stop_here() is called. Exceptions of either are thrown again; of two, the one of `here`.
void run_beside(std::function<void()> const& beside, std::function<void()> const& here,
                std::function<void()> const& stop_beside, std::function<void()> const& stop_here);

/// `produce(push)` runs beside the caller, who consumes the pushed items in their order; `push(item)` is false where no
/// more items are wanted.
template <class T, class Produce, class Consume>
void produce_beside(std::size_t depth, Produce const& produce, Consume const& consume) {
    BoundedQueue<T> queue(depth);
    run_beside([&] { produce([&](T item) { return queue.push(std::move(item)); }); },
               [&] {
                   while (auto item = queue.pop()) consume(std::move(*item));
               },
               [&] { queue.abandon(); }, [&] { queue.close(); });
}

/// The caller produces, and a thread beside it consumes the pushed items.
template <class T, class Produce, class Consume>
void consume_beside(std::size_t depth, Produce const& produce, Consume const& consume) {
    BoundedQueue<T> queue(depth);
    run_beside(
        [&] {
            while (auto item = queue.pop()) consume(std::move(*item));
        },
        [&] { produce([&](T item) { return queue.push(std::move(item)); }); }, [&] { queue.close(); },
        [&] { queue.abandon(); });
}

}  // namespace kvstone
