#pragma once
// Pages of vectors cut into blocks, for kernels that read every value twice: some blocks at a time, which stay near.

#include <algorithm>
#include <cfloat>
#include <cstdint>

#include "backends/kernels/group_ends.hpp"
#include "backends/kernels/kv_page.hpp"
#include "codecs/kernels/pages/level_pages.hpp"

namespace kvstone {

/// Values that are worked on at a time, where vectors are not longer; and blocks of at least eight values in as many, or in
/// a row of most_row_values, or in pages of 16 short vectors.
inline constexpr std::uint64_t piece_values = 2048;
inline constexpr std::uint64_t most_piece_blocks = most_row_values / 8 + 16;

/// Calls work(rows, first token, first value of a vector) for the pieces of a page: whole vectors, or parts of one where it
/// is long. `block` divides most_row_values or is less.
template <class T, class Work>
inline void for_block_rows(Page<T> const& page, std::uint64_t block, Work const& work) {
    auto const longest = most_row_values / block * block;
    auto const tokens = std::max<std::uint64_t>(1, piece_values / page.dim);
    for (std::uint64_t token = 0; token < page.tokens; token += tokens) {
        auto const now = std::min(tokens, page.tokens - token);
        for (std::uint64_t first = 0; first < page.dim; first += longest) {
            auto const count = std::min(longest, page.dim - first);
            work(BlockRows{page.vector(token) + first, page.stride, now, count, block}, token, first);
        }
    }
}

/// largest_magnitude() of each block; the array has register_room behind the last one.
inline void finite_magnitudes(BlockRows const& rows, float* magnitudes) {
    block_magnitudes(rows, magnitudes);
    auto const count = rows.blocks();
    bool odd = false;
    for (std::size_t b = 0; b < count; ++b) odd = odd | !(magnitudes[b] <= FLT_MAX);
    if (!odd) return;
    for (std::size_t b = 0; b < count; ++b) {
        auto const first = b % rows.blocks_of_row() * rows.block;
        magnitudes[b] = largest_magnitude(rows.values + b / rows.blocks_of_row() * rows.stride + first,
                                          std::min(rows.block, rows.dim - first));
    }
}

}  // namespace kvstone
