// Registers of numbers of sixteen bits, and of floats, as floats.hpp and nearest_element.hpp have them, to the last bit.
//
// A part of sources that are compiled for each target, as Highway has them: the guard is toggled. To be included after
// hwy/highway.h.

#include <cstdint>

#include "backends/kernels/lanes.hpp"

#if defined(KVSTONE_CAST_LANES_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef KVSTONE_CAST_LANES_HPP
#undef KVSTONE_CAST_LANES_HPP
#else
#define KVSTONE_CAST_LANES_HPP
#endif

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace kvstone {
namespace HWY_NAMESPACE {

/// As many words of 32 bits as a register has floats, and as many halves, which fill half a register.
using Words = hn::RebindToUnsigned<Floats>;
using Halves = hn::Rebind<std::uint16_t, Floats>;
using WordVector = hn::Vec<Words>;
using HalfVector = hn::Vec<Halves>;

#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX2
inline constexpr bool has_half_instructions = false;
#else
inline constexpr bool has_half_instructions = true;
#endif

/// to_float(Float16)
HWY_INLINE FloatVector floats_of_halves(HalfVector halves) {
    Floats const d;
    if constexpr (has_half_instructions) {
        return hn::PromoteTo(d, hn::BitCast(hn::Rebind<hwy::float16_t, Floats>(), halves));
    } else {
        Words const dw;
        auto const word = hn::PromoteTo(dw, halves);
        auto const magnitude = hn::ShiftLeft<13>(hn::And(word, hn::Set(dw, 0x7fffU)));
        auto const normal = hn::Mul(hn::BitCast(d, hn::Add(magnitude, hn::Set(dw, 224U << 23))), hn::Set(d, 0x1p-112F));
        auto const denormal =
            hn::Sub(hn::BitCast(d, hn::Or(hn::ShiftRight<13>(magnitude), hn::Set(dw, 126U << 23))), hn::Set(d, 0.5F));
        auto const is_denormal = hn::RebindMask(d, hn::Lt(magnitude, hn::Set(dw, 1U << 23)));
        auto const value = hn::BitCast(dw, hn::IfThenElse(is_denormal, denormal, normal));
        return hn::BitCast(d, hn::Or(value, hn::ShiftLeft<16>(hn::And(word, hn::Set(dw, 0x8000U)))));
    }
}

/// from_float<Float16>()
HWY_INLINE HalfVector halves_of(FloatVector values) {
    Floats const d;
    Words const dw;
    auto const bits = hn::BitCast(dw, values);
    auto const sign = hn::And(bits, hn::Set(dw, 0x80000000U));
    if constexpr (has_half_instructions) {
        // Any NaN becomes the one of its sign.
        auto const known =
            hn::IfThenElse(hn::IsNaN(values), hn::BitCast(d, hn::Or(sign, hn::Set(dw, 0x7fc00000U))), values);
        return hn::BitCast(Halves(), hn::DemoteTo(hn::Rebind<hwy::float16_t, Floats>(), known));
    } else {
        auto const magnitude = hn::Xor(bits, sign);
        auto const scaled = hn::Mul(hn::Mul(hn::BitCast(d, magnitude), hn::Set(d, 0x1p112F)), hn::Set(d, 0x1p-110F));
        auto const exponent = hn::And(magnitude, hn::Set(dw, 0x7f800000U));
        auto const power = hn::Add(hn::Max(exponent, hn::Set(dw, 113U << 23)), hn::Set(dw, 0x07800000U));
        auto const rounded = hn::BitCast(dw, hn::Add(hn::BitCast(d, power), scaled));
        auto const code =
            hn::Add(hn::And(hn::ShiftRight<13>(rounded), hn::Set(dw, 0x7c00U)), hn::And(rounded, hn::Set(dw, 0x0fffU)));
        auto const known = hn::IfThenElse(hn::RebindMask(dw, hn::IsNaN(values)), hn::Set(dw, 0x7e00U), code);
        return hn::DemoteTo(Halves(), hn::Or(known, hn::ShiftRight<16>(sign)));
    }
}

/// to_float(BFloat16)
HWY_INLINE FloatVector floats_of_bfloats(HalfVector halves) {
    return hn::BitCast(Floats(), hn::ShiftLeft<16>(hn::PromoteTo(Words(), halves)));
}

/// from_float<BFloat16>(), as the upper halves of words whose lower ones mean nothing.
HWY_INLINE WordVector bfloats_in_words(FloatVector values) {
    Words const dw;
    auto const bits = hn::BitCast(dw, values);
    auto const odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(dw, 1U));
    auto const rounded = hn::Add(hn::Add(bits, hn::Set(dw, 0x7fffU)), odd);
    return hn::IfThenElse(hn::RebindMask(dw, hn::IsNaN(values)), hn::Or(bits, hn::Set(dw, 0x400000U)), rounded);
}
HWY_INLINE HalfVector bfloats_of(FloatVector values) {
    return hn::DemoteTo(Halves(), hn::ShiftRight<16>(bfloats_in_words(values)));
}

/// Values within +-most; NaN stays.
HWY_INLINE FloatVector saturated(FloatVector values, float most) {
    Floats const d;
    auto const below = hn::IfThenElse(hn::Gt(values, hn::Set(d, most)), hn::Set(d, most), values);
    return hn::IfThenElse(hn::Lt(below, hn::Set(d, -most)), hn::Set(d, -most), below);
}
/// Finite ones alone: Inf stays too.
HWY_INLINE FloatVector finite_saturated(FloatVector values, float most) {
    auto const infinite = hn::Eq(hn::Abs(values), hn::Inf(Floats()));
    return hn::IfThenElse(infinite, values, saturated(values, most));
}

/// nearest_element<Float16>() and <BFloat16>(): between the largest number and what rounds to Inf lies nothing to keep.
inline constexpr float largest_half = 65504.0F;
inline constexpr float largest_bfloat = 0x1.fep127F;

}  // namespace HWY_NAMESPACE
}  // namespace kvstone
HWY_AFTER_NAMESPACE();
#endif
