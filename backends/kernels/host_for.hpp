#pragma once
// Loops of host threads over pieces of work, compiled for each kind of vector unit.

#include <cstdint>

#include <Kokkos_Core.hpp>

#include "backends/kernels/simd_target.hpp"

namespace kvstone {

/// work(i) for i in 0..count - 1, shared between the threads of `space`: pieces of a thousand values at least, whose loops
/// vectorise for this processor. Host only.
template <class Space, class Work>
void host_for(Space const& space, char const* label, std::int64_t count, Work const& work) {
    Kokkos::parallel_for(label, Kokkos::RangePolicy<Space>(space, 0, count),
                         [work](std::int64_t const i) { at_simd_level([&] { work(i); }); });
}

}  // namespace kvstone
