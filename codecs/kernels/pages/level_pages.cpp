#include "codecs/kernels/pages/level_pages.hpp"

#include <type_traits>

#include "backends/kernels/small_floats.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/pages/level_pages.cpp"
#define KVSTONE_BYTES_BETWEEN_PARTS
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>
// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "codecs/kernels/pages/block_lanes.hpp"
#include "codecs/kernels/pages/cell_lanes.hpp"
#include "codecs/kernels/pages/nibble_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Blocks of whole rows, whatever these are.
constexpr std::size_t whole_rows = ~std::size_t{0};

/// Calls work(size) with the size of blocks as a constant where kernels are made for it, else 0.
template <class Work>
HWY_INLINE void with_block_size(BlockRows const& rows, Work const& work) {
    if (rows.dim % rows.block == 0) {
        if (rows.block == 128) return work(std::integral_constant<std::size_t, 128>());
        if (rows.block == 64) return work(std::integral_constant<std::size_t, 64>());
        if (rows.block == 32) return work(std::integral_constant<std::size_t, 32>());
        if (rows.block == 16) return work(std::integral_constant<std::size_t, 16>());
    }
    work(std::integral_constant<std::size_t, 0>());
}
/// Likewise where blocks may also be whole rows.
template <class Work>
HWY_INLINE void with_block_or_row(BlockRows const& rows, Work const& work) {
    if (rows.block >= rows.dim) return work(std::integral_constant<std::size_t, whole_rows>());
    with_block_size(rows, work);
}

/// Rows whose codes lie without gaps, as one; where blocks have no size that kernels are made for, as long as a row of
/// factors may be.
HWY_INLINE BlockRows joined(BlockRows rows) {
    bool const made_for = rows.block == 128 || rows.block == 64 || rows.block == 32 || rows.block == 16;
    bool const fits = rows.block < rows.dim && rows.rows * rows.dim <= most_row_values;
    if ((made_for || fits) && rows.stride == rows.dim && rows.dim % 2 == 0 && rows.dim % rows.block == 0) {
        rows.dim *= rows.rows;
        rows.stride = rows.dim;
        rows.rows = 1;
    }
    return rows;
}

/// Factors of blocks as those of each value of a row; to the end of a register or a step of codes beyond it.
struct FactorRow {
    alignas(64) float of_values[most_row_values + 8 * codes_at_once];

    HWY_INLINE void fill(BlockRows const& rows, float const* factors) {
        Floats const d;
        constexpr std::size_t lanes = hn::MaxLanes(d);
        std::size_t block = 0;
        for (std::size_t first = 0; first < rows.dim; first += rows.block, ++block) {
            auto const factor = hn::Set(d, factors[block]);
            // What goes beyond a block the next one writes over.
            for (std::size_t i = 0; i < rows.block; i += lanes) hn::StoreU(factor, d, of_values + first + i);
        }
    }
};

/// Values of blocks with a factor each. size: of blocks where it is not 0, else factors are of each value.
template <std::size_t size>
struct BlockValues {
    static constexpr std::size_t lanes = hn::MaxLanes(Floats());

    float const* values;
    std::size_t ahead;  ///< values to those that are asked for: the lines that find_magnitudes() does not ask for
    float const* factors;

    HWY_INLINE void ask_ahead(std::size_t i) const {
        for (std::size_t k = 0; k < codes_at_once; k += 16) {
            // On Zen 4 the questions make nvfp4 1.2 times as fast, and lloydmax and mxfp4 slower by as much.
            if constexpr (size == 16) {
                if (k % 32 != 0) prefetch_line(values + ahead + i + k);
            } else if (size == 0 || size == whole_rows || k % 32 != 0) {
                ask_line(values + ahead + i + k);
            }
        }
    }
    HWY_INLINE FloatVector register_of(std::size_t first, std::size_t q) const {
        return hn::LoadU(Floats(), values + first + q * lanes);
    }
    HWY_INLINE FloatVector factor(std::size_t first, std::size_t q) const {
        Floats const d;
        if constexpr (size == 0) return hn::LoadU(d, factors + first + q * lanes);
        // Where codes are found together they begin a block, or share one.
        constexpr std::size_t of = size > 0 ? size : 1;
        return hn::Set(d, factors[first / of + q * lanes / of]);
    }
    HWY_INLINE float scaled(std::size_t i) const { return values[i] * factors[i / (size > 0 ? size : 1)]; }
};

/// Their codes of the nearest of levels.
template <std::size_t size>
struct LevelValues : BlockValues<size> {
    float const* thresholds;
    FloatVector per_unit;
    FloatVector offset;

    LevelValues(LevelBins const& bins, BlockValues<size> const& values)
        : BlockValues<size>(values),
          thresholds(bins.thresholds),
          per_unit(hn::Set(Floats(), bins.per_unit * CellCodes::cells_of_place)),
          offset(hn::Set(Floats(), bins.offset * CellCodes::cells_of_place)) {}

    HWY_INLINE IntVector cells(std::size_t first, std::size_t q) const {
        return cells_of(hn::MulAdd(this->register_of(first, q), hn::Mul(this->factor(first, q), per_unit), offset));
    }
    HWY_INLINE DoubtfulCodes codes(CellCodes const& coder, std::size_t first) const { return coder(*this, first); }
    HWY_INLINE unsigned code(std::size_t i) const { return compared_code(thresholds, this->scaled(i)); }
};

/// Their codes in E2M1: those of magnitudes among seven thresholds, and a bit for the sign.
template <std::size_t size>
struct SmallFloatValues : BlockValues<size> {
    FloatVector per_unit;
    FloatVector offset;

    SmallFloatValues(LevelBins const& bins, BlockValues<size> const& values)
        : BlockValues<size>(values),
          per_unit(hn::Set(Floats(), bins.per_unit * CellCodes::cells_of_place)),
          offset(hn::Set(Floats(), bins.offset * CellCodes::cells_of_place)) {}

    HWY_INLINE IntVector cells(std::size_t first, std::size_t q) const {
        return cells_of(
            hn::MulAdd(hn::Abs(this->register_of(first, q)), hn::Mul(this->factor(first, q), per_unit), offset));
    }
    HWY_INLINE DoubtfulCodes codes(CellCodes const& coder, std::size_t first) const {
        CodeWords const words;
        CodeBytes const d;
        auto const bits = [&](std::size_t q) KVSTONE_INNER { return hn::BitCast(Ints(), this->register_of(first, q)); };
        // Numbers that are negative stay so: narrowing saturates.
        auto const signs = in_order(
            hn::BitCast(d, hn::ReorderDemote2To(SignedCodeBytes(), hn::ReorderDemote2To(words, bits(0), bits(1)),
                                                hn::ReorderDemote2To(words, bits(2), bits(3)))));
        auto found = coder(*this, first);
        hn::Repartition<std::uint16_t, CodeBytes> const pairs;
        auto const places = hn::BitCast(d, hn::ShiftRight<4>(hn::BitCast(pairs, hn::And(signs, hn::Set(d, 0x80)))));
        found.codes = hn::Or(found.codes, places);
        return found;
    }
    HWY_INLINE unsigned code(std::size_t i) const {
        auto const value = this->scaled(i);
        return small_float_code<E2M1>(value == value ? value : 0.0F);
    }
};

void block_magnitudes_on(BlockRows const& rows, float* magnitudes) {
    with_block_size(rows, [&](auto size) HWY_ATTR { find_magnitudes<decltype(size)::value>(rows, magnitudes); });
}

/// Codes of rows; row_at(r) is where those of row r go.
template <template <std::size_t> class Values, std::size_t size, class RowAt>
HWY_INLINE void code_rows(LevelBins const& bins, BlockRows const& rows, float const* factors, RowAt const& row_at) {
    CellCodes const coder(bins);
    auto const ahead = rows.rows * rows.stride;
    FactorRow row;
    for (std::size_t r = 0; r < rows.rows; ++r) {
        if constexpr (size == 0) row.fill(rows, factors);
        BlockValues<size> const values{rows.values + r * rows.stride, ahead, size > 0 ? factors : row.of_values};
        code_row(coder, Values<size>(bins, values), rows.dim, row_at(r));
        factors += rows.blocks_of_row();
    }
}

template <template <std::size_t> class Values>
HWY_INLINE void nibbles_of(LevelBins const& bins, BlockRows const& rows, float const* factors, std::byte* packed) {
    with_block_or_row(rows, [&](auto size) HWY_ATTR {
        code_rows<Values, decltype(size)::value>(
            bins, rows, factors, [&](std::size_t r) HWY_ATTR { return NibbleRow{packed + r * ((rows.dim + 1) / 2)}; });
    });
}

void nearest_nibbles_on(LevelBins const& bins, BlockRows const& rows, float const* factors, std::byte* packed) {
    nibbles_of<LevelValues>(bins, joined(rows), factors, packed);
}

/// What lies between the magnitudes of E2M1.
inline LevelBins const& e2m1_bins() {
    static constexpr float thresholds[] = {0.25F, 0.75F, 1.25F, 1.75F, 2.5F, 3.5F, 5};
    static LevelBins const bins(thresholds, 7);
    return bins;
}

void nearest_e2m1_on(BlockRows const& rows, float const* factors, std::byte* packed) {
    nibbles_of<SmallFloatValues>(e2m1_bins(), joined(rows), factors, packed);
}

template <unsigned low_bytes, std::size_t size, bool streaming>
HWY_INLINE void numbers_of(float const* levels, BlockRows const& rows, float const* factors, std::byte const* packed,
                           float* values) {
    Floats const d;
    NibbleTable<low_bytes> const table(levels);
    FactorRow row;
    for (std::size_t r = 0; r < rows.rows; ++r) {
        if constexpr (size == 0) row.fill(rows, factors);
        restore_row_of_nibbles<(size > 0), streaming>(
            table, packed, rows.dim,
            [&](std::size_t i) KVSTONE_INNER {
                if constexpr (size == 0) return hn::LoadU(d, row.of_values + i);
                return hn::Set(d, factors[i / (size > 0 ? size : 1)]);
            },
            values + r * rows.stride);
        factors += rows.blocks_of_row();
        packed += (rows.dim + 1) / 2;
    }
}

template <unsigned low_bytes>
HWY_INLINE void restore_rows(float const* levels, BlockRows const& rows, float const* factors, std::byte const* packed,
                             float* values, bool streaming) {
    with_block_or_row(rows, [&](auto size) HWY_ATTR {
        if (streaming) {
            numbers_of<low_bytes, decltype(size)::value, true>(levels, rows, factors, packed, values);
        } else {
            numbers_of<low_bytes, decltype(size)::value, false>(levels, rows, factors, packed, values);
        }
    });
}

void restore_nibbles_on(float const* levels, BlockRows const& shape, float const* factors, std::byte const* packed,
                        float* values, bool streaming) {
    restore_rows<0>(levels, joined(shape), factors, packed, values, streaming);
}

void restore_e2m1_on(BlockRows const& shape, float const* factors, std::byte const* packed, float* values,
                     bool streaming) {
    // Their two lower bytes are zero.
    static constexpr float numbers[16] = {0,     0.5F,  1.0F,  1.5F,  2.0F,  3.0F,  4.0F,  6.0F,
                                          -0.0F, -0.5F, -1.0F, -1.5F, -2.0F, -3.0F, -4.0F, -6.0F};
    restore_rows<2>(numbers, joined(shape), factors, packed, values, streaming);
}

/// Sums in the order that product_sum() has. Products of floats are exact in double precision, fused or not.
HWY_INLINE double products_of(float const* values, float const* others, std::size_t count) {
    constexpr std::size_t sums_together = 32;
    hn::CappedTag<double, 8> const d;
    hn::Rebind<float, decltype(d)> const floats;
    constexpr std::size_t lanes = hn::MaxLanes(d);
    hn::Vec<decltype(d)> parts[sums_together / lanes];
    for (auto& part : parts) part = hn::Zero(d);
    std::size_t i = 0;
    for (; i + sums_together <= count; i += sums_together) {
#pragma GCC unroll 16
        for (std::size_t k = 0; k < sums_together / lanes; ++k) {
            auto const value = hn::PromoteTo(d, hn::LoadU(floats, values + i + k * lanes));
            auto const other = hn::PromoteTo(d, hn::LoadU(floats, others + i + k * lanes));
            parts[k] = hn::MulAdd(value, other, parts[k]);
        }
    }
    double sum = 0;
    for (; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(others[i]);
    for (std::size_t step = sums_together / lanes / 2; step > 0; step /= 2) {
        for (std::size_t k = 0; k < step; ++k) parts[k] = hn::Add(parts[k], parts[k + step]);
    }
    alignas(64) double last[lanes];
    hn::Store(parts[0], d, last);
    for (std::size_t step = lanes / 2; step > 0; step /= 2) {
        for (std::size_t k = 0; k < step; ++k) last[k] += last[k + step];
    }
    return sum + last[0];
}

void row_product_sums_on(BlockRows const& rows, float const* others, std::size_t stride, double* sums) {
    for (std::size_t r = 0; r < rows.rows; ++r) {
        sums[r] = products_of(rows.values + r * rows.stride, others + r * stride, rows.dim);
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(block_magnitudes_on);
HWY_EXPORT(nearest_nibbles_on);
HWY_EXPORT(restore_nibbles_on);
HWY_EXPORT(nearest_e2m1_on);
HWY_EXPORT(restore_e2m1_on);
HWY_EXPORT(row_product_sums_on);

void block_magnitudes(BlockRows const& rows, float* magnitudes) {
    HWY_DYNAMIC_DISPATCH(block_magnitudes_on)(rows, magnitudes);
}

void nearest_nibbles(LevelBins const& bins, BlockRows const& rows, float const* factors, std::byte* packed) {
    HWY_DYNAMIC_DISPATCH(nearest_nibbles_on)(bins, rows, factors, packed);
}

void restore_nibbles(float const* levels, BlockRows const& shape, float const* factors, std::byte const* packed,
                     float* values, bool streaming) {
    HWY_DYNAMIC_DISPATCH(restore_nibbles_on)(levels, shape, factors, packed, values, streaming);
}

void nearest_e2m1(BlockRows const& rows, float const* factors, std::byte* packed) {
    HWY_DYNAMIC_DISPATCH(nearest_e2m1_on)(rows, factors, packed);
}

void restore_e2m1(BlockRows const& shape, float const* factors, std::byte const* packed, float* values,
                  bool streaming) {
    HWY_DYNAMIC_DISPATCH(restore_e2m1_on)(shape, factors, packed, values, streaming);
}

void row_square_sums(BlockRows const& rows, double* sums) {
    HWY_DYNAMIC_DISPATCH(row_product_sums_on)(rows, rows.values, rows.stride, sums);
}

void row_product_sums(BlockRows const& rows, float const* others, double* sums) {
    HWY_DYNAMIC_DISPATCH(row_product_sums_on)(rows, others, rows.dim, sums);
}

}  // namespace kvstone
#endif
