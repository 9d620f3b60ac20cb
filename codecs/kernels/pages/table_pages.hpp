#pragma once
// Values as the nearest of up to 128 levels, with an origin and a factor of each vector or of each channel, by vectors. Host
// only.
//
// What comes out is the same to the last bit as value by value through table_lookup.hpp and level_table.hpp.

#include <cstddef>
#include <cstdint>

#include "codecs/kernels/pages/block_rows.hpp"

namespace kvstone {

/// Most bits of codes here: tables of more levels fill too many registers, and loops that read them in memory are faster.
inline constexpr unsigned most_row_bits = 7;

/// 2^bits ascending levels and the 2^bits - 1 thresholds between them.
struct LevelRows {
    unsigned bits;
    float const* levels;  ///< 16 places at least
    float const* thresholds;
};

/// Most bits of levels that have origins.
inline constexpr unsigned most_origin_bits = 5;

/// Origins and factors of rows of values.
struct RowScales {
    float const* zeros;    ///< null: without origins; most_origin_bits where there are some
    float const* factors;  ///< of the rows
    bool of_channels;      ///< or of the values of a row; with origins alone
};

/// Codes of rows of values: how many thresholds are below (value - origin) * factor, where that is NaN below 0, and a value of
/// NaN counts as 0 where there are origins. Rows of packed codes lie one after the other, each from a byte of its own on.
/// `chosen` has the levels of the codes, one row after the other, where it is not null.
void code_by_levels(LevelRows const& table, BlockRows const& rows, RowScales const& scales, std::byte* packed,
                    float* chosen);

/// Rows of values: origin + level * factor. Past the cache where `streaming`, and every row starts a cache line.
void restore_by_levels(LevelRows const& table, BlockRows const& shape, RowScales const& scales, std::byte const* packed,
                       float* values, bool streaming);

}  // namespace kvstone
