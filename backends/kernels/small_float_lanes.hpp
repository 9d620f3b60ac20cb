// Registers of floats to codes of eight bits and fewer and back, as small_floats.hpp has them, to the last bit.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled. To be included after
// hwy/highway.h, and small_floats.hpp before hwy/foreach_target.h.

#include "backends/kernels/cast_lanes.hpp"
#include "backends/kernels/small_floats.hpp"

#if defined(KVSTONE_SMALL_FLOAT_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_SMALL_FLOAT_LANES_HPP
#undef KVSTONE_SMALL_FLOAT_LANES_HPP
#else
#define KVSTONE_SMALL_FLOAT_LANES_HPP
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// small_float_code()
template <class Format>
HWY_INLINE WordVector small_float_codes(FloatVector values) {
    Floats const d;
    Ints const di;
    constexpr int shift = 23 - static_cast<int>(Format::mantissa);
    constexpr std::int32_t least_exponent = (128 - Format::bias) << 23;
    auto const bits = hn::BitCast(di, values);
    auto const magnitude = hn::And(bits, hn::Set(di, 0x7fffffff));
    auto const within = hn::Min(magnitude, hn::Set(di, Format::largest_bits));
    auto const above = hn::Max(hn::And(within, hn::Set(di, 0x7f800000)), hn::Set(di, least_exponent));
    auto const power = hn::Add(above, hn::Set(di, shift << 23));
    auto const sum = hn::BitCast(di, hn::Add(hn::BitCast(d, power), hn::BitCast(d, within)));
    auto const exponent = hn::Sub(hn::ShiftRight<shift>(above), hn::Set(di, least_exponent >> shift));
    auto code = hn::Add(hn::Sub(sum, power), exponent);
    if constexpr (Format::nan != 0) {
        auto const nan = hn::Set(di, static_cast<std::int32_t>(Format::nan));
        code = hn::IfThenElse(hn::RebindMask(di, hn::IsNaN(values)), nan, code);
    }
    auto const sign = hn::And(hn::ShiftRight<31 - static_cast<int>(Format::sign_place)>(bits),
                              hn::Set(di, static_cast<std::int32_t>(Format::sign)));
    return hn::BitCast(Words(), hn::Or(code, sign));
}

/// small_float_value()
template <class Format>
HWY_INLINE FloatVector small_float_values_in_words(WordVector codes) {
    Floats const d;
    Words const dw;
    constexpr int shift = 23 - static_cast<int>(Format::mantissa);
    constexpr std::uint32_t least_exponent = (128 - Format::bias) << 23;
    auto const least = hn::BitCast(d, hn::Set(dw, least_exponent));
    auto const magnitude = hn::ShiftLeft<shift>(hn::And(codes, hn::Set(dw, Format::sign - 1)));
    auto const normal = hn::BitCast(d, hn::Add(magnitude, hn::Set(dw, least_exponent - (1U << 23))));
    auto const denormal = hn::Sub(hn::BitCast(d, hn::Add(magnitude, hn::Set(dw, least_exponent))), least);
    auto value = hn::IfThenElse(hn::Lt(normal, least), denormal, normal);
    if constexpr (Format::nan != 0) {
        constexpr bool has_infinity = Format::nan - Format::largest > 1;
        auto const infinity = hn::Set(dw, Format::largest_bits + (1U << shift));
        auto beyond = hn::Set(dw, 0x7fc00000U);
        if constexpr (has_infinity) {
            beyond = hn::IfThenElse(hn::Eq(hn::BitCast(dw, value), infinity), hn::Set(dw, 0x7f800000U), beyond);
        }
        auto const largest = hn::BitCast(d, hn::Set(dw, Format::largest_bits));
        value = hn::IfThenElse(hn::Gt(value, largest), hn::BitCast(d, beyond), value);
    }
    auto const sign =
        hn::ShiftLeft<31 - static_cast<int>(Format::sign_place)>(hn::And(codes, hn::Set(dw, Format::sign)));
    return hn::BitCast(d, hn::Or(hn::BitCast(dw, value), sign));
}

/// The same of E4M3 and E5M2, from bytes.
template <class Format>
HWY_INLINE FloatVector small_float_values(hn::Vec<hn::Rebind<std::uint8_t, Floats>> codes) {
    static_assert(Format::sign_place == 7 && Format::nan == 0x7f);
    if constexpr (has_half_instructions) {
        // Through binary16, whose exponent is wide enough: E5M2 is its upper half, E4M3 comes out as 2^-8 of what it is.
        Floats const d;
        Halves const dh;
        auto const upper = hn::ShiftLeft<8>(hn::PromoteTo(dh, codes));
        auto const sign = hn::And(upper, hn::Set(dh, std::uint16_t{0x8000}));
        auto const magnitude = hn::Xor(upper, sign);
        auto const nan = hn::Set(dh, std::uint16_t{0x7e00});
        if constexpr (Format::mantissa == 2) {
            auto const is_nan = hn::Gt(magnitude, hn::Set(dh, std::uint16_t{0x7c00}));
            return floats_of_halves(hn::Or(hn::IfThenElse(is_nan, nan, magnitude), sign));
        } else {
            auto const is_nan = hn::Eq(magnitude, hn::Set(dh, std::uint16_t{0x7f00}));
            auto const halves = hn::Or(hn::IfThenElse(is_nan, nan, hn::ShiftRight<1>(magnitude)), sign);
            return hn::Mul(floats_of_halves(halves), hn::Set(d, 0x1p8F));
        }
    } else {
        return small_float_values_in_words<Format>(hn::PromoteTo(Words(), codes));
    }
}

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
