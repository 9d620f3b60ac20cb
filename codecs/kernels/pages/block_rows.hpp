#pragma once
// Rows of values that are cut into blocks, and what kernels that code pages of them share.

#include <cstddef>

namespace kvstone {

/// `rows` vectors of `dim` values, `stride` values apart, each cut into blocks of which the last may have fewer values.
struct BlockRows {
    float const* values;
    std::size_t stride;
    std::size_t rows;
    std::size_t dim;
    std::size_t block;

    std::size_t blocks_of_row() const { return (dim + block - 1) / block; }
    std::size_t blocks() const { return rows * blocks_of_row(); }
};

/// Values of a row, at most, of which not all blocks have a size that kernels are made for.
inline constexpr std::size_t most_row_values = 4096;

/// Kernels write arrays of floats a register at a time: the room that they need behind the last one.
inline constexpr std::size_t register_room = 16;

}  // namespace kvstone
