#pragma once
// Ends of long rows of floats, and keys that lie in ranges, with the vector units of a host.

#include <array>
#include <cstddef>
#include <cstdint>

namespace kvstone {

/// Widens [low, high] by the finite ones of `count` values.
void widen_ends(float const* values, std::uint64_t count, float& low, float& high);

/// The keys low..low + width, both included.
struct KeyRange {
    std::uint32_t low = 0;
    std::uint32_t width = 0;

    bool holds(std::uint32_t key) const { return key - low <= width; }
};

/// What keep_keys() may write beyond the last key that it keeps.
inline constexpr std::size_t keep_keys_slack = 16;

/// Copies the keys that lie in one of the ranges at least, in their order, and returns how many. `destination` may be
/// `keys`. Without a branch for each key, which no processor could foretell.
std::size_t keep_keys(std::uint32_t const* keys, std::size_t count, std::array<KeyRange, 1> const& ranges,
                      std::uint32_t* destination);
std::size_t keep_keys(std::uint32_t const* keys, std::size_t count, std::array<KeyRange, 2> const& ranges,
                      std::uint32_t* destination);

}  // namespace kvstone
