#pragma once
// Rows times a matrix of f32: what a projection is made of. Each result is one chain of fused multiply-adds in the order of
// the matrix's rows, so that a row comes out alike whatever rows are beside it, and on every processor that has such
// instructions.

#include <cstdint>

namespace kvstone {

/// Columns that lie together in a packed matrix.
inline constexpr std::uint64_t panel_columns = 32;

/// Floats of a packed matrix of `depth` rows: its columns are filled up to whole panels.
constexpr std::uint64_t packed_matrix_values(std::uint64_t depth, std::uint64_t columns) {
    return depth * ((columns + panel_columns - 1) / panel_columns * panel_columns);
}
/// Where entry (row, column) of a packed matrix lies.
constexpr std::uint64_t packed_matrix_place(std::uint64_t depth, std::uint64_t row, std::uint64_t column) {
    return column / panel_columns * depth * panel_columns + row * panel_columns + column % panel_columns;
}

/// Rows [first, first + rows) of a packed matrix.
struct PackedRows {
    float const* matrix;
    std::uint64_t depth;  ///< of the whole matrix
    std::uint64_t first;
    std::uint64_t rows;
    std::uint64_t columns;
};

/// y[r][c] = sum over k of a[r][k] w[k][c], for `count` rows; with `add`, that on top of what y holds. Rows of `a` and `y`
/// lie `a_stride` and `y_stride` values apart, and `a` has w.rows values a row. Memory of the host.
void multiply_rows(float const* a, std::uint64_t a_stride, std::uint64_t count, PackedRows const& w, float* y,
                   std::uint64_t y_stride, bool add);

}  // namespace kvstone
