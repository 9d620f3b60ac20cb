#pragma once
// The largest magnitudes of a block, kept by themselves, and what lies between them, with the vector units of the processor.
// Host only.

#include <cstddef>
#include <cstdint>

namespace kvstone {

/// Values of the largest block, how many of them keep_largest() keeps at most, and what has to follow `others`.
inline constexpr std::uint64_t most_block_values = 256;
inline constexpr std::uint64_t most_kept_at_once = 7;
inline constexpr std::uint64_t kept_padding = 16;

/// Of `n` values the `kept` largest finite magnitudes go to `places`: all values as binary16, saturated, and then all indices,
/// a byte each, in their order. The others go to `others`, side by side, and to `most` the largest finite magnitude of them.
/// Returns false where equal values, or too few finite ones, need a closer look: what was written then means nothing.
/// kept < n, and at most most_kept_at_once.
bool keep_largest(float const* values, std::uint64_t n, std::uint64_t kept, std::byte* places, float* others,
                  float& most);

}  // namespace kvstone
