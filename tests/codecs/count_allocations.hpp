#pragma once

#include <cstddef>

namespace kvstone {

/// Smaller ones are not counted: Kokkos makes a string for the name of each fence.
inline constexpr std::size_t counted_from_bytes = 128;

/// Calls of operator new so far.
std::size_t allocation_count();

}  // namespace kvstone
