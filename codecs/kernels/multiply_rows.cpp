#include "codecs/kernels/multiply_rows.hpp"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/multiply_rows.cpp"
#include "backends/kernels/few_targets.hpp"

#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Six rows times two vectors, or twelve times one: twelve chains hide the latency of a multiply-add, and fit into sixteen
// registers.
constexpr std::uint64_t tile_rows = 6;
constexpr std::uint64_t slim_tile_rows = 12;
constexpr std::size_t widest_lanes = panel_columns / 2;

/// Two vectors of columns of six rows, of which the second has `rest` columns.
HWY_INLINE void multiply_tile(float const* const* a, float const* w, std::uint64_t depth, float* const* y,
                              std::size_t rest, bool add) {
    hn::CappedTag<float, widest_lanes> const d;
    auto const lanes = hn::Lanes(d);
    bool const whole = rest == lanes;
    auto const start_left = [&](std::uint64_t row) HWY_ATTR { return add ? hn::LoadU(d, y[row]) : hn::Zero(d); };
    auto const start_right = [&](std::uint64_t row) HWY_ATTR {
        if (!add) return hn::Zero(d);
        return whole ? hn::LoadU(d, y[row] + lanes) : hn::LoadN(d, y[row] + lanes, rest);
    };
    auto sum00 = start_left(0), sum01 = start_right(0);
    auto sum10 = start_left(1), sum11 = start_right(1);
    auto sum20 = start_left(2), sum21 = start_right(2);
    auto sum30 = start_left(3), sum31 = start_right(3);
    auto sum40 = start_left(4), sum41 = start_right(4);
    auto sum50 = start_left(5), sum51 = start_right(5);
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
        hn::StoreU(first, d, y[row]);
        if (whole) {
            hn::StoreU(second, d, y[row] + lanes);
        } else {
            hn::StoreN(second, d, y[row] + lanes, rest);
        }
    };
    put(0, sum00, sum01);
    put(1, sum10, sum11);
    put(2, sum20, sum21);
    put(3, sum30, sum31);
    put(4, sum40, sum41);
    put(5, sum50, sum51);
}

/// One vector, of `columns` columns, of twelve rows.
HWY_INLINE void multiply_slim_tile(float const* const* a, float const* w, std::uint64_t depth, float* const* y,
                                   std::size_t columns, bool add) {
    hn::CappedTag<float, widest_lanes> const d;
    auto const start = [&](std::uint64_t row) HWY_ATTR { return add ? hn::LoadN(d, y[row], columns) : hn::Zero(d); };
    auto sum0 = start(0), sum1 = start(1), sum2 = start(2), sum3 = start(3);
    auto sum4 = start(4), sum5 = start(5), sum6 = start(6), sum7 = start(7);
    auto sum8 = start(8), sum9 = start(9), sum10 = start(10), sum11 = start(11);
    for (std::uint64_t k = 0; k < depth; ++k) {
        auto const column = hn::LoadU(d, w + k * panel_columns);
        sum0 = hn::MulAdd(hn::Set(d, a[0][k]), column, sum0);
        sum1 = hn::MulAdd(hn::Set(d, a[1][k]), column, sum1);
        sum2 = hn::MulAdd(hn::Set(d, a[2][k]), column, sum2);
        sum3 = hn::MulAdd(hn::Set(d, a[3][k]), column, sum3);
        sum4 = hn::MulAdd(hn::Set(d, a[4][k]), column, sum4);
        sum5 = hn::MulAdd(hn::Set(d, a[5][k]), column, sum5);
        sum6 = hn::MulAdd(hn::Set(d, a[6][k]), column, sum6);
        sum7 = hn::MulAdd(hn::Set(d, a[7][k]), column, sum7);
        sum8 = hn::MulAdd(hn::Set(d, a[8][k]), column, sum8);
        sum9 = hn::MulAdd(hn::Set(d, a[9][k]), column, sum9);
        sum10 = hn::MulAdd(hn::Set(d, a[10][k]), column, sum10);
        sum11 = hn::MulAdd(hn::Set(d, a[11][k]), column, sum11);
    }
    auto const put = [&](std::uint64_t row, auto sum) HWY_ATTR { hn::StoreN(sum, d, y[row], columns); };
    put(0, sum0), put(1, sum1), put(2, sum2), put(3, sum3);
    put(4, sum4), put(5, sum5), put(6, sum6), put(7, sum7);
    put(8, sum8), put(9, sum9), put(10, sum10), put(11, sum11);
}

/// Asks for columns [column, column + panel_columns) of rows that come `rows_ahead` rows after these. Any address is allowed.
HWY_INLINE void ask_ahead(void const* first, std::uint64_t stride, std::uint64_t rows, std::uint64_t rows_ahead,
                          std::uint64_t column) {
    constexpr std::uint64_t line_bytes = 64;
    auto const base = reinterpret_cast<std::uintptr_t>(first) + column * sizeof(float);
    for (std::uint64_t r = rows_ahead; r < rows_ahead + rows; ++r) {
        for (std::uint64_t byte = 0; byte < panel_columns * sizeof(float); byte += line_bytes)
            hwy::Prefetch(reinterpret_cast<void const*>(base + r * stride * sizeof(float) + byte));
    }
}

void MultiplyRows(float const* a, std::uint64_t a_stride, std::uint64_t count, PackedRows const& w, float* y,
                  std::uint64_t y_stride, bool add) {
    std::uint64_t const lanes = hn::Lanes(hn::CappedTag<float, widest_lanes>());
    for (std::uint64_t column = 0; column < w.columns; column += 2 * lanes) {
        auto const* const columns = w.matrix + packed_matrix_place(w.depth, w.first, column);
        auto const wide = std::min(2 * lanes, w.columns - column);
        auto const high = wide > lanes ? tile_rows : slim_tile_rows;
        for (std::uint64_t row = 0; row < count; row += high) {
            // The caller's next rows, while these are worked on.
            if (column < w.rows) ask_ahead(a, a_stride, high, count + row, column);
            ask_ahead(y, y_stride, high, count + row, column);
            float const* from[slim_tile_rows];
            float* to[slim_tile_rows];
            float dropped[panel_columns] = {};
            // Where there are fewer rows, the last one is taken again and its results dropped.
            for (std::uint64_t r = 0; r < high; ++r) {
                from[r] = a + std::min(row + r, count - 1) * a_stride;
                to[r] = row + r < count ? y + (row + r) * y_stride + column : dropped;
            }
            if (wide > lanes) {
                multiply_tile(from, columns, w.rows, to, wide - lanes, add);
            } else {
                multiply_slim_tile(from, columns, w.rows, to, wide, add);
            }
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
