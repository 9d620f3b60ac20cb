#pragma once
// Floating-point numbers of eight bits and fewer as storage, and how kernels read and write them.
//
// Conversions from float round to nearest, ties to even, and saturate: a number beyond the largest one of the
// format, Inf included, becomes that number. NaN stays NaN with its sign where the format has one. As in floats.hpp all is
// arithmetic on 32 bits, whose loops vectorise everywhere.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "backends/function.hpp"

namespace kvstone {

/// A format by its definition: a sign, `exponent_bits` biased by `bias`, `mantissa_bits`, and denormals. No code stands
/// for Inf; `nan` is the one for NaN, 0 where there is none.
template <unsigned exponent_bits, unsigned mantissa_bits, unsigned largest_code, unsigned nan_code>
struct SmallFloat {
    static constexpr unsigned mantissa = mantissa_bits;
    static constexpr unsigned bias = (1U << (exponent_bits - 1)) - 1;
    static constexpr unsigned sign_place = exponent_bits + mantissa_bits;
    static constexpr unsigned sign = 1U << sign_place;
    static constexpr unsigned largest = largest_code;
    static constexpr unsigned nan = nan_code;
    /// Exponent of the largest number, and of the least that is not denormal.
    static constexpr int largest_exponent = static_cast<int>(largest_code >> mantissa_bits) - static_cast<int>(bias);
    static constexpr int least_exponent = 1 - static_cast<int>(bias);
    /// The largest number, and its bits as a float.
    static constexpr std::uint32_t largest_bits = (largest_code << (23 - mantissa_bits)) + ((127 - bias) << 23);
    KVSTONE_FUNCTION static float largest_value() {
        auto const bits = largest_bits;  // a device has no address of the constant, which bit_cast would take
        return std::bit_cast<float>(bits);
    }
};

/// OCP 8-bit Floating Point Specification, revision 1.0: E4M3 (largest number 448, no Inf, one NaN of each sign).
using E4M3 = SmallFloat<4, 3, 0x7e, 0x7f>;
/// The same, E5M2 (largest number 57344): the upper half of a binary16. Codes 0x7c and 0xfc, its Inf, are not written.
using E5M2 = SmallFloat<5, 2, 0x7b, 0x7f>;
/// OCP Microscaling Formats Specification, version 1.0: E2M1 (0, 0.5, 1, 1.5, 2, 3, 4, 6).
using E2M1 = SmallFloat<2, 1, 0x7, 0>;

/// The code of a number.
template <class Format>
KVSTONE_FUNCTION inline std::uint32_t small_float_code(float value) {
    auto const bits = std::bit_cast<std::uint32_t>(value);
    auto const magnitude = bits & 0x7fffffffU;
    constexpr std::uint32_t least_exponent = (128 - Format::bias) << 23;
    auto const within = magnitude < Format::largest_bits ? magnitude : Format::largest_bits;
    auto const exponent = within & 0x7f800000U;
    auto const above = exponent > least_exponent ? exponent : least_exponent;
    // The sum with a power of two above the value has the stored mantissa's last bit for its own last bit, rounded.
    auto const power = above + ((23 - Format::mantissa) << 23);
    auto const sum = std::bit_cast<float>(power) + std::bit_cast<float>(within);
    auto const rounded = std::bit_cast<std::uint32_t>(sum) - power;
    auto code = rounded + ((above - least_exponent) >> (23 - Format::mantissa));
    if constexpr (Format::nan != 0) code = magnitude > 0x7f800000U ? Format::nan : code;
    return code | (bits >> (31 - Format::sign_place) & Format::sign);
}

/// The number of a code; bits above the format's are ignored.
template <class Format>
KVSTONE_FUNCTION inline float small_float_value(std::uint32_t code) {
    // Comparing floats, and not codes, keeps all in lanes of 32 bits.
    constexpr std::uint32_t least_exponent = (128 - Format::bias) << 23;
    auto const least = std::bit_cast<float>(least_exponent);
    auto const magnitude = (code & (Format::sign - 1)) << (23 - Format::mantissa);
    float value = std::bit_cast<float>(magnitude + (least_exponent - (1U << 23)));
    // Denormals: the mantissa behind a leading one, which is then taken off.
    float const denormal = std::bit_cast<float>(magnitude + least_exponent) - least;
    value = value < least ? denormal : value;
    if constexpr (Format::nan != 0) {
        // Codes beyond the largest number: Inf, where the format has it, is the first.
        constexpr bool has_infinity = Format::nan - Format::largest > 1;
        auto const infinity = std::bit_cast<float>(Format::largest_bits + (1U << (23 - Format::mantissa)));
        float const beyond = std::bit_cast<float>(has_infinity && value == infinity ? 0x7f800000U : 0x7fc00000U);
        value = value > Format::largest_value() ? beyond : value;
    }
    auto const sign = (code & Format::sign) << (31 - Format::sign_place);
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
}

/// Half of what lies between the numbers of the format at `magnitude`: the most that rounding costs there.
template <class Format>
double small_float_rounding(double magnitude) {
    int exponent = 0;
    std::frexp(magnitude, &exponent);
    return std::ldexp(1.0, std::max(exponent - 1, Format::least_exponent) - static_cast<int>(Format::mantissa) - 1);
}

}  // namespace kvstone
