#include "codecs/kernels/pages/table_pages.hpp"

#include <cstring>
#include <type_traits>

#include "codecs/kernels/bit_packing.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "codecs/kernels/pages/table_pages.cpp"
#define KVSTONE_BYTES_BETWEEN_PARTS
#include "backends/kernels/few_targets.hpp"

#include <hwy/foreach_target.h>

// After foreach_target.h, as Highway asks.
#include <hwy/highway.h>

#include "codecs/kernels/pages/packing_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

constexpr std::size_t table_lanes = hn::MaxLanes(Floats());
/// Values that are worked on at a time: a multiple of every register of codes, and whole bytes of codes.
constexpr std::size_t values_of_step = 4 * table_lanes;
constexpr std::size_t values_of_part = 256;
/// Registers of a table that are looked up one by one; from memory where there are more.
constexpr std::size_t most_registers = table_lanes == 16 ? 8 : 4;

/// table[index] in each lane; `size` floats, of which whole registers may be read.
template <std::size_t size>
HWY_INLINE FloatVector look_up_lanes(float const* table, IntVector index) {
    Floats const d;
    constexpr std::size_t registers = size / table_lanes;
    if constexpr (registers <= 1) {
        return hn::TableLookupLanes(hn::LoadU(d, table), hn::IndicesFromVec(d, index));
    } else if constexpr (registers == 2) {
        return hn::TwoTablesLookupLanes(d, hn::LoadU(d, table), hn::LoadU(d, table + table_lanes),
                                        hn::IndicesFromVec(d, index));
    } else if constexpr (registers <= most_registers) {
        Ints const ints;
        auto const within = hn::And(index, hn::Set(ints, static_cast<std::int32_t>(size / 2 - 1)));
        auto const low = look_up_lanes<size / 2>(table, within);
        auto const high = look_up_lanes<size / 2>(table + size / 2, within);
        return hn::IfThenElse(hn::RebindMask(d, hn::TestBit(index, hn::Set(ints, static_cast<std::int32_t>(size / 2)))),
                              high, low);
    } else {
        return hn::GatherIndex(d, table, index);
    }
}

/// How many thresholds are below a value, by halving: each step looks its threshold up by the digits that were found.
template <unsigned bits>
class Halving {
  public:
    explicit Halving(float const* thresholds) {
        for (unsigned step = 0; step < bits; ++step) {
            for (unsigned k = 0; k < 1U << step; ++k) {
                of_steps_[(1U << step) + k] = thresholds[(k << (bits - step)) + (1U << (bits - step - 1)) - 1];
            }
        }
    }
    HWY_INLINE IntVector operator()(FloatVector value) const {
        Ints const d;
        auto const above = [&](FloatVector threshold) KVSTONE_INNER {
            return hn::IfThenElseZero(hn::RebindMask(d, hn::Gt(value, threshold)), hn::Set(d, 1));
        };
        value = without_nan(value);
        auto code = above(hn::Set(Floats(), of_steps_[1]));
        if constexpr (bits > 1) code = step<1>(value, code);
        return code;
    }

  private:
    template <unsigned s>
    HWY_INLINE IntVector step(FloatVector value, IntVector code) const {
        Ints const d;
        auto const threshold = look_up_lanes<(1U << s)>(of_steps_ + (1U << s), code);
        auto const twice = hn::Add(code, code);
        code = hn::MaskedAddOr(twice, hn::RebindMask(d, hn::Gt(value, threshold)), twice, hn::Set(d, 1));
        if constexpr (s + 1 < bits) return step<s + 1>(value, code);
        return code;
    }

    alignas(64) float of_steps_[(1U << bits) + table_lanes] = {};
};

enum class Scaling : std::uint8_t { by_row, by_row_with_origin, by_channel };

/// Origin and factor of a row's values.
template <Scaling scaling>
struct RowScale {
    float const* zeros;
    float const* factors;

    RowScale(RowScales const& scales, std::size_t row)
        : zeros(scaling == Scaling::by_row_with_origin ? scales.zeros + row : scales.zeros),
          factors(scaling == Scaling::by_channel ? scales.factors : scales.factors + row) {}

    HWY_INLINE FloatVector zero(std::size_t i) const { return entry(zeros, i); }
    HWY_INLINE FloatVector factor(std::size_t i) const { return entry(factors, i); }
    HWY_INLINE FloatVector normalised(FloatVector value, std::size_t i) const {
        if constexpr (scaling == Scaling::by_row) return hn::Mul(value, factor(i));
        return hn::Mul(hn::Sub(without_nan(value), zero(i)), factor(i));
    }
    HWY_INLINE FloatVector restored(FloatVector level, std::size_t i) const {
        auto const product = hn::Mul(level, factor(i));
        if constexpr (scaling == Scaling::by_row) return product;
        return hn::Add(zero(i), product);
    }
    /// The same for `count` values from `first` on, and then anything.
    HWY_INLINE RowScale rest(std::size_t first, std::size_t count, float (&zero_room)[values_of_step],
                             float (&factor_room)[values_of_step]) const {
        if constexpr (scaling != Scaling::by_channel) return *this;
        std::memcpy(zero_room, zeros + first, count * sizeof(float));
        std::memcpy(factor_room, factors + first, count * sizeof(float));
        return RowScale(zero_room, factor_room);
    }

  private:
    RowScale(float const* of_zeros, float const* of_factors) : zeros(of_zeros), factors(of_factors) {}
    static HWY_INLINE FloatVector entry(float const* table, std::size_t i) {
        if constexpr (scaling == Scaling::by_channel) return hn::LoadU(Floats(), table + i);
        return hn::Set(Floats(), *table);
    }
};

template <bool ahead, unsigned bits, Scaling scaling>
HWY_INLINE void codes_of_step(Halving<bits> const& halving, float const* values, RowScale<scaling> const& scale,
                              std::size_t at, std::uint8_t* codes) {
    auto const code = [&](std::size_t q) KVSTONE_INNER {
        auto const* const from = values + q * table_lanes;
        auto const value = ahead ? load_ahead(from) : hn::LoadU(Floats(), from);
        return halving(scale.normalised(value, at + q * table_lanes));
    };
    hn::StoreU(bytes_of<false>(code(0), code(1), code(2), code(3)), CodeBytes(), codes);
}

template <unsigned bits, Scaling scaling, bool streaming>
HWY_INLINE void values_of_step_of(float const* levels, std::uint8_t const* codes, RowScale<scaling> const& scale,
                                  std::size_t at, float* values) {
    Floats const d;
    hn::Rebind<std::uint8_t, Floats> const bytes;
#pragma GCC unroll 4
    for (std::size_t i = 0; i < values_of_step; i += table_lanes) {
        auto const code = hn::PromoteTo(Ints(), hn::LoadU(bytes, codes + i));
        put<streaming>(scale.restored(look_up_lanes<(1U << bits)>(levels, code), at + i), d, values + i);
    }
}

/// levels[codes[i]] of `count` codes.
template <unsigned bits>
HWY_INLINE void levels_of(float const* levels, std::uint8_t const* codes, std::size_t count, float* to) {
    float const one = 1;
    RowScale<Scaling::by_row> const as_they_are({nullptr, &one, false}, 0);
    std::size_t i = 0;
    for (; i + values_of_step <= count; i += values_of_step) {
        values_of_step_of<bits, Scaling::by_row, false>(levels, codes + i, as_they_are, 0, to + i);
    }
    for (; i < count; ++i) to[i] = levels[codes[i]];
}

template <unsigned bits, Scaling scaling>
void code_rows_with(LevelRows const& table, BlockRows const& rows, RowScales const& scales, std::byte* packed,
                    float* chosen) {
    Halving<bits> const halving(table.thresholds);
    auto const row_bytes = packed_bytes(rows.dim, bits);
    for (std::size_t r = 0; r < rows.rows; ++r, packed += row_bytes) {
        RowScale<scaling> const scale(scales, r);
        auto const* const values = rows.values + r * rows.stride;
        for (std::size_t part = 0; part < rows.dim; part += values_of_part) {
            auto const count = rows.dim - part < values_of_part ? rows.dim - part : values_of_part;
            alignas(64) std::uint8_t codes[values_of_part + values_of_step];
            std::size_t i = 0;
            for (; i + values_of_step <= count; i += values_of_step) {
                codes_of_step<true>(halving, values + part + i, scale, part + i, codes + i);
            }
            if (i < count) {
                alignas(64) float some[values_of_step] = {};
                alignas(64) float zeros[values_of_step] = {};
                alignas(64) float factors[values_of_step] = {};
                std::memcpy(some, values + part + i, (count - i) * sizeof(float));
                codes_of_step<false>(halving, some, scale.rest(part + i, count - i, zeros, factors), 0, codes + i);
            }
            pack_row(bits, codes, count, packed + part * bits / 8);
            if (chosen != nullptr) {
                levels_of<bits>(table.levels, codes, count, chosen);
                chosen += count;
            }
        }
    }
}

template <unsigned bits, Scaling scaling, bool streaming>
void restore_rows_with(LevelRows const& table, BlockRows const& shape, RowScales const& scales, std::byte const* packed,
                       float* values) {
    alignas(64) float levels[(1U << bits) + table_lanes] = {};
    std::memcpy(levels, table.levels, sizeof(float) << bits);
    auto const row_bytes = packed_bytes(shape.dim, bits);
    auto const* const end = packed + shape.rows * row_bytes;
    for (std::size_t r = 0; r < shape.rows; ++r, packed += row_bytes, values += shape.stride) {
        RowScale<scaling> const scale(scales, r);
        for (std::size_t part = 0; part < shape.dim; part += values_of_part) {
            auto const count = shape.dim - part < values_of_part ? shape.dim - part : values_of_part;
            alignas(64) std::uint8_t codes[values_of_part + values_of_step] = {};
            auto const* const from = packed + part * bits / 8;
            unpack_row(bits, from, static_cast<std::size_t>(end - from), count, codes);
            std::size_t i = 0;
            for (; i + values_of_step <= count; i += values_of_step) {
                values_of_step_of<bits, scaling, streaming>(levels, codes + i, scale, part + i, values + part + i);
            }
            if (i < count) {
                alignas(64) float some[values_of_step];
                alignas(64) float zeros[values_of_step] = {};
                alignas(64) float factors[values_of_step] = {};
                auto const of_rest = scale.rest(part + i, count - i, zeros, factors);
                values_of_step_of<bits, scaling, false>(levels, codes + i, of_rest, 0, some);
                std::memcpy(values + part + i, some, (count - i) * sizeof(float));
            }
        }
    }
}

/// Calls work(bits, scaling) with both as constants.
template <class Work>
HWY_INLINE void with_bits_and_scaling(unsigned bits, RowScales const& scales, Work const& work) {
    auto const with = [&](auto number) HWY_ATTR {
        constexpr unsigned of = decltype(number)::value;
        if constexpr (of <= most_origin_bits) {
            if (scales.of_channels) return work(number, std::integral_constant<Scaling, Scaling::by_channel>());
            if (scales.zeros != nullptr)
                return work(number, std::integral_constant<Scaling, Scaling::by_row_with_origin>());
        }
        work(number, std::integral_constant<Scaling, Scaling::by_row>());
    };
    switch (bits) {
        case 1:
            return with(std::integral_constant<unsigned, 1>());
        case 2:
            return with(std::integral_constant<unsigned, 2>());
        case 3:
            return with(std::integral_constant<unsigned, 3>());
        case 4:
            return with(std::integral_constant<unsigned, 4>());
        case 5:
            return with(std::integral_constant<unsigned, 5>());
        case 6:
            return with(std::integral_constant<unsigned, 6>());
        default:
            return with(std::integral_constant<unsigned, most_row_bits>());
    }
}

void code_by_levels_on(LevelRows const& table, BlockRows const& rows, RowScales const& scales, std::byte* packed,
                       float* chosen) {
    with_bits_and_scaling(table.bits, scales, [&](auto bits, auto scaling) HWY_ATTR {
        code_rows_with<decltype(bits)::value, decltype(scaling)::value>(table, rows, scales, packed, chosen);
    });
}

void restore_by_levels_on(LevelRows const& table, BlockRows const& shape, RowScales const& scales,
                          std::byte const* packed, float* values, bool streaming) {
    with_bits_and_scaling(table.bits, scales, [&](auto bits, auto scaling) HWY_ATTR {
        constexpr auto number = decltype(bits)::value;
        constexpr auto how = decltype(scaling)::value;
        streaming ? restore_rows_with<number, how, true>(table, shape, scales, packed, values)
                  : restore_rows_with<number, how, false>(table, shape, scales, packed, values);
    });
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kvstone {

HWY_EXPORT(code_by_levels_on);
HWY_EXPORT(restore_by_levels_on);

void code_by_levels(LevelRows const& table, BlockRows const& rows, RowScales const& scales, std::byte* packed,
                    float* chosen) {
    HWY_DYNAMIC_DISPATCH(code_by_levels_on)(table, rows, scales, packed, chosen);
}

void restore_by_levels(LevelRows const& table, BlockRows const& shape, RowScales const& scales, std::byte const* packed,
                       float* values, bool streaming) {
    HWY_DYNAMIC_DISPATCH(restore_by_levels_on)(table, shape, scales, packed, values, streaming);
}

}  // namespace kvstone
#endif
