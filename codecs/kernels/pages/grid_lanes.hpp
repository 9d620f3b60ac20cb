// Between floats and the codes of a uniform grid, by vectors: what codecs/kernels/uniform_grid.hpp does value by value.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled.

#include "codecs/kernels/uniform_grid.hpp"

#if defined(KVSTONE_PAGE_GRID_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_PAGE_GRID_LANES_HPP
#undef KVSTONE_PAGE_GRID_LANES_HPP
#else
#define KVSTONE_PAGE_GRID_LANES_HPP
#endif

#include "codecs/kernels/pages/packing_lanes.hpp"
#include "codecs/kernels/pages/scale_lanes.hpp"

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// Codes of values as whole numbers: without a sign those below 0 are for the caller to raise.
template <bool with_sign>
struct GridNumbers {
    FloatVector largest;

    explicit GridNumbers(unsigned bits)
        : largest(hn::Set(Floats(), static_cast<float>((1U << (with_sign ? bits - 1 : bits)) - 1U))) {}

    HWY_INLINE IntVector operator()(FloatVector zeros, FloatVector inverses, FloatVector values) const {
        if constexpr (with_sign) {
            auto const number = without_nan(hn::Mul(values, inverses));
            return nearest_ints(hn::Max(hn::Neg(largest), hn::Min(largest, number)));
        } else {
            auto const number = hn::Mul(hn::Sub(without_nan(values), zeros), inverses);
#if HWY_ARCH_X86
            // Of a NaN (0 times Inf) the second operand stays, and becomes the least integer.
            return nearest_ints(hn::Min(largest, number));
#else
            return nearest_ints(hn::Min(largest, without_nan(number)));
#endif
        }
    }
};

/// Entries of a table for the values from `first` on: those of each value, or the one of all.
template <bool of_each>
HWY_INLINE FloatVector entries(float const* table, std::size_t first) {
    if constexpr (of_each) return hn::LoadU(Floats(), table + first);
    return hn::Set(Floats(), *table);
}

/// Codes of `numbers(i)`, registers of whole numbers from value i on, as far as they fill a register of codes: returns how
/// many of `count`.
template <bool with_sign, class Numbers>
HWY_INLINE std::size_t store_codes(std::size_t count, unsigned bits, std::uint8_t* codes, Numbers const& numbers) {
    CodeBytes const d;
    std::size_t const lanes = float_lanes();
    auto const mask = hn::Set(d, static_cast<std::uint8_t>((1U << bits) - 1U));
    std::size_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
        auto packed =
            bytes_of<with_sign>(numbers(i), numbers(i + lanes), numbers(i + 2 * lanes), numbers(i + 3 * lanes));
        if constexpr (with_sign) packed = hn::And(packed, mask);
        hn::StoreU(packed, d, codes + i);
    }
    return i;
}
template <bool with_sign, class Numbers>
HWY_INLINE std::size_t store_codes(std::size_t count, unsigned bits, std::uint16_t* codes, Numbers const& numbers) {
    UnsignedCodeWords const d;
    std::size_t const lanes = float_lanes();
    auto const mask = hn::Set(d, static_cast<std::uint16_t>((1U << bits) - 1U));
    std::size_t i = 0;
    for (; i + 2 * lanes <= count; i += 2 * lanes) {
        auto packed = words_of<with_sign>(numbers(i), numbers(i + lanes));
        if constexpr (with_sign) packed = hn::And(packed, mask);
        hn::StoreU(packed, d, codes + i);
    }
    return i;
}

/// codes[i] = the code of values[i]; origins and factors are those of all, or `of_each` one for each value. Asks ahead for
/// values where `ahead`.
template <bool of_each, bool with_sign, bool ahead, class Code>
HWY_INLINE void grid_codes_with(unsigned bits, float const* values, std::size_t count, float const* zero,
                                float const* inverse, Code* codes) {
    GridNumbers<with_sign> const grid(bits);
    auto const done = store_codes<with_sign>(count, bits, codes, [&](std::size_t i) KVSTONE_INNER {
        auto const some = ahead ? load_ahead(values + i) : hn::LoadU(Floats(), values + i);
        return grid(entries<of_each>(zero, i), entries<of_each>(inverse, i), some);
    });
    GridCodes<with_sign> const one{bits, zero, inverse};
    for (auto i = done; i < count; ++i) {
        codes[i] = static_cast<Code>(one(of_each ? i : 0, values[i]) & one.mask());
    }
}
template <bool of_each, bool ahead, class Code>
HWY_INLINE void grid_codes_of(UniformGrid const& grid, float const* values, std::size_t count, float const* zero,
                              float const* inverse, Code* codes) {
    if (grid.symmetric) {
        grid_codes_with<of_each, true, ahead>(grid.bits, values, count, zero, inverse, codes);
    } else {
        grid_codes_with<of_each, false, ahead>(grid.bits, values, count, zero, inverse, codes);
    }
}

/// Codes as numbers, a register of them.
template <bool with_sign, class Code>
HWY_INLINE FloatVector grid_numbers(Code const* codes, unsigned bits) {
    hn::Rebind<Code, Floats> const d;
    Ints const ints;
    auto number = hn::BitCast(ints, hn::PromoteTo(hn::RebindToUnsigned<Ints>(), hn::LoadU(d, codes)));
    if constexpr (with_sign) {
        auto const sign = hn::Set(ints, 1 << (bits - 1));
        number = hn::Sub(hn::Xor(number, sign), sign);
    }
    return hn::ConvertTo(Floats(), number);
}

/// values[i] = origin + number * step of code i, `of_each` as above. Past the cache where `streaming`, and `values` starts a
/// cache line.
template <bool of_each, bool with_sign, bool streaming, class Code>
HWY_INLINE void grid_values_with(Code const* codes, std::size_t count, unsigned bits, float const* zero,
                                 float const* scale, float* values) {
    Floats const d;
    std::size_t const lanes = float_lanes();
    std::size_t i = 0;
    for (; i + lanes <= count; i += lanes) {
        auto const product = hn::Mul(grid_numbers<with_sign>(codes + i, bits), entries<of_each>(scale, i));
        put<streaming>(with_sign ? product : hn::Add(entries<of_each>(zero, i), product), d, values + i);
    }
    auto const sign = with_sign ? 1 << (bits - 1) : 0;
    for (; i < count; ++i) {
        auto const at = of_each ? i : 0;
        auto const product = static_cast<float>((static_cast<std::int32_t>(codes[i]) ^ sign) - sign) * scale[at];
        values[i] = with_sign ? product : zero[at] + product;
    }
}
template <bool of_each, class Code>
HWY_INLINE void grid_values_of(UniformGrid const& grid, Code const* codes, std::size_t count, float const* zero,
                               float const* scale, float* values, bool streaming) {
    if (grid.symmetric) {
        if (streaming) return grid_values_with<of_each, true, true>(codes, count, grid.bits, zero, scale, values);
        return grid_values_with<of_each, true, false>(codes, count, grid.bits, zero, scale, values);
    }
    if (streaming) return grid_values_with<of_each, false, true>(codes, count, grid.bits, zero, scale, values);
    grid_values_with<of_each, false, false>(codes, count, grid.bits, zero, scale, values);
}

/// UniformGrid::store() for rows of groups; arrays have room for whole registers of them.
HWY_INLINE void store_steps(UniformGrid const& grid, float const* least, float const* most, std::size_t count,
                            std::byte* scale_place, std::byte* zero_place, float* zero, float* scale, float* inverse) {
    Floats const d;
    auto const widest = hn::Set(d, 0x1p126F);
    auto const levels = hn::Set(d, grid.high());
    auto const within = [&](FloatVector value) HWY_ATTR { return hn::Max(hn::Min(value, widest), hn::Neg(widest)); };
    std::size_t const lanes = float_lanes();
    for (std::size_t g = 0; g < count; g += lanes) {
        auto const low = hn::LoadU(d, least + g);
        auto const high = within(hn::LoadU(d, most + g));
        if (grid.symmetric) {
            hn::StoreU(hn::Zero(d), d, zero + g);
            hn::StoreU(hn::Div(hn::Max(within(hn::Neg(low)), high), levels), d, scale + g);
        } else {
            auto const origin = within(low);
            hn::StoreU(origin, d, zero + g);
            hn::StoreU(hn::Div(hn::Sub(high, origin), levels), d, scale + g);
        }
    }
    if (!grid.symmetric) store_zero_row(grid.format, zero, count, zero_place);
    store_scale_row(grid.format, scale, count, scale_place);
    for (std::size_t g = 0; g < count; g += lanes) {
        auto const step = hn::LoadU(d, scale + g);
        auto const factor = hn::Div(hn::Set(d, 1.0F), step);
        hn::StoreU(hn::IfThenElseZero(hn::Gt(step, hn::Zero(d)), factor), d, inverse + g);
    }
}
HWY_INLINE void load_steps(UniformGrid const& grid, std::size_t count, std::byte const* scale_place,
                           std::byte const* zero_place, float* zero, float* scale) {
    load_scale_row(grid.format, scale_place, count, scale);
    if (!grid.symmetric) load_zero_row(grid.format, zero_place, count, zero);
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
