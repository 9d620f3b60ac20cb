#include "codecs/kernels/multiply_rows.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/multiply_rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Six rows times two vectors: twelve chains hide the latency of a multiply-add, and fit into sixteen registers.
constexpr std::uint64_t tile_rows = 6;
constexpr std::size_t widest_lanes = panel_columns / 2;

/// Two vectors of columns of six rows; y's rows lie y_stride apart.
HWY_INLINE void multiply_tile(float const* const* a, float const* w, std::uint64_t depth, float* y,
                              std::uint64_t y_stride, bool add) {
    hn::CappedTag<float, widest_lanes> const d;
    auto const lanes = hn::Lanes(d);
    auto const start = [&](std::uint64_t row, std::size_t column)
                           HWY_ATTR { return add ? hn::LoadU(d, y + row * y_stride + column) : hn::Zero(d); };
    auto sum00 = start(0, 0), sum01 = start(0, lanes);
    auto sum10 = start(1, 0), sum11 = start(1, lanes);
    auto sum20 = start(2, 0), sum21 = start(2, lanes);
    auto sum30 = start(3, 0), sum31 = start(3, lanes);
    auto sum40 = start(4, 0), sum41 = start(4, lanes);
    auto sum50 = start(5, 0), sum51 = start(5, lanes);
    for (std::uint64_t k = 0; k < depth; ++k) {
        auto const left = hn::LoadU(d, w + k * panel_columns);
        auto const right = hn::LoadU(d, w + k * panel_columns + lanes);
        auto value = hn::Set(d, a[0][k]);
        sum00 = hn::MulAdd(value, left, sum00);
        sum01 = hn::MulAdd(value, right, sum01);
        value = hn::Set(d, a[1][k]);
        sum10 = hn::MulAdd(value, left, sum10);
        sum11 = hn::MulAdd(value, right, sum11);
        value = hn::Set(d, a[2][k]);
        sum20 = hn::MulAdd(value, left, sum20);
        sum21 = hn::MulAdd(value, right, sum21);
        value = hn::Set(d, a[3][k]);
        sum30 = hn::MulAdd(value, left, sum30);
        sum31 = hn::MulAdd(value, right, sum31);
        value = hn::Set(d, a[4][k]);
        sum40 = hn::MulAdd(value, left, sum40);
        sum41 = hn::MulAdd(value, right, sum41);
        value = hn::Set(d, a[5][k]);
        sum50 = hn::MulAdd(value, left, sum50);
        sum51 = hn::MulAdd(value, right, sum51);
    }
    auto const put = [&](std::uint64_t row, auto first, auto second) HWY_ATTR {
        hn::StoreU(first, d, y + row * y_stride);
        hn::StoreU(second, d, y + row * y_stride + lanes);
    };
    put(0, sum00, sum01);
    put(1, sum10, sum11);
    put(2, sum20, sum21);
    put(3, sum30, sum31);
    put(4, sum40, sum41);
    put(5, sum50, sum51);
}

void MultiplyRows(float const* a, std::uint64_t a_stride, std::uint64_t count, PackedRows const& w, float* y,
                  std::uint64_t y_stride, bool add) {
    std::uint64_t const width = 2 * hn::Lanes(hn::CappedTag<float, widest_lanes>());
    for (std::uint64_t column = 0; column < w.columns; column += width) {
        auto const* const columns = w.matrix + packed_matrix_place(w.depth, w.first, column);
        auto const wide = std::min(width, w.columns - column);
        for (std::uint64_t row = 0; row < count; row += tile_rows) {
            auto const high = std::min(tile_rows, count - row);
            float const* rows[tile_rows];
            // Where there are fewer, the last one is taken again and its results dropped.
            for (std::uint64_t r = 0; r < tile_rows; ++r) rows[r] = a + (row + std::min(r, high - 1)) * a_stride;
            auto* const to = y + row * y_stride + column;
            if (high == tile_rows && wide == width) {
                multiply_tile(rows, columns, w.rows, to, y_stride, add);
                continue;
            }
            float tile[tile_rows * panel_columns] = {};
            for (std::uint64_t r = 0; add && r < high; ++r)
                std::copy_n(to + r * y_stride, wide, tile + r * panel_columns);
            multiply_tile(rows, columns, w.rows, tile, panel_columns, add);
            for (std::uint64_t r = 0; r < high; ++r) std::copy_n(tile + r * panel_columns, wide, to + r * y_stride);
        }
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(MultiplyRows);

void multiply_rows(float const* a, std::uint64_t a_stride, std::uint64_t count, PackedRows const& w, float* y,
                   std::uint64_t y_stride, bool add) {
    HWY_DYNAMIC_DISPATCH(MultiplyRows)(a, a_stride, count, w, y, y_stride, add);
}

}  // namespace kvstone
#endif
