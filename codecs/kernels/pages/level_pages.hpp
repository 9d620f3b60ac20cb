#pragma once
// Values as the nearest of 16 levels times their block's scale, two codes a byte, by vectors. Host only.

#include <cstddef>
#include <cstdint>

#include "codecs/kernels/level_bins.hpp"
#include "codecs/kernels/pages/block_rows.hpp"

namespace kvstone {

/// The largest magnitude of each block; one with Inf or NaN has that. The array has register_room behind the last block.
void block_magnitudes(BlockRows const& rows, float* magnitudes);

/// Codes of the nearest level of each value times its block's factor: how many thresholds are below, NaN taken for 0. Each
/// row is coded from a byte of its own on. `bins` are usable; a row has at most most_row_values.
void nearest_nibbles(LevelBins const& bins, BlockRows const& rows, float const* factors, std::byte* packed);

/// The same with a byte for each code, rows one behind the other.

/// The opposite of nearest_nibbles(): levels[code] times their block's factor, 16 levels, into rows of values.
/// Past the cache where `streaming`, and every row starts a cache line.
void restore_nibbles(float const* levels, BlockRows const& shape, float const* factors, std::byte const* packed,
                     float* values, bool streaming);

/// The same for numbers of E2M1 (small_floats.hpp) in place of levels: the nearest one with ties to even, its sign kept.
void nearest_e2m1(BlockRows const& rows, float const* factors, std::byte* packed);
void restore_e2m1(BlockRows const& shape, float const* factors, std::byte const* packed, float* values, bool streaming);

/// square_sum() of each row (square_sums.hpp); not finite where a value is not.
void row_square_sums(BlockRows const& rows, double* sums);
/// product_sum() of each row and of as many others, which lie one row after the other; not finite where a value is not.
void row_product_sums(BlockRows const& rows, float const* others, double* sums);

}  // namespace kvstone
