#pragma once
// Pieces of work shared out over the host's threads.

#include <atomic>
#include <cstddef>
#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/simd_target.hpp"

namespace kvstone {

/// How many pieces are worked on at a time: one for each thread of the host.
inline std::size_t host_slots() { return static_cast<std::size_t>(Kokkos::DefaultHostExecutionSpace().concurrency()); }

/// `work(slot, piece)` for every piece; a slot is one thread's at a time, and meets pieces in ascending order.
template <class Space, class Work>
void share_pieces(Space const& space, std::size_t slots, std::uint64_t pieces, Work const& work) {
    std::atomic<std::uint64_t> next{0};
    auto* const shared = &next;
    Kokkos::parallel_for("pieces", Kokkos::RangePolicy<Space>(space, 0, static_cast<std::int64_t>(slots)),
                         [=](std::int64_t const slot) {
                             for (auto piece = (*shared)++; piece < pieces; piece = (*shared)++) {
                                 at_simd_level([&] { work(static_cast<std::size_t>(slot), piece); });
                             }
                         });
    space.fence();
}

}  // namespace kvstone
