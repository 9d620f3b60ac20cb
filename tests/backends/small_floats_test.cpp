// Eight-bit floats and smaller over all their codes, and all sixteen-bit inputs, against the formats' definitions in
// double precision.

#include "backends/kernels/small_floats.hpp"

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "backends/kernels/floats.hpp"

namespace kvstone {
namespace {

/// A format as its specification has it.
struct Definition {
    int exponent_bits;
    int mantissa_bits;
    int bias;
    int largest;   ///< code of the largest number
    int infinity;  ///< code of Inf, or -1

    double value(int code) const {
        int const sign_place = exponent_bits + mantissa_bits;
        int const magnitude = code & ((1 << sign_place) - 1);
        double const sign = (code >> sign_place & 1) != 0 ? -1 : 1;
        if (magnitude == infinity) return sign * std::numeric_limits<double>::infinity();
        if (magnitude > largest) return std::numeric_limits<double>::quiet_NaN();
        int const exponent = magnitude >> mantissa_bits;
        int const mantissa = magnitude & ((1 << mantissa_bits) - 1);
        if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
        return sign * std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
    }
    /// The nearest number's code, of two the even one; the largest for all beyond.
    int nearest(double x) const {
        auto const magnitude = std::min(std::fabs(x), value(largest));
        int best = 0;
        for (int code = 0; code <= largest; ++code) {
            auto const error = std::fabs(value(code) - magnitude);
            auto const least = std::fabs(value(best) - magnitude);
            if (error < least || (error == least && code % 2 == 0)) best = code;
        }
        return best | (std::signbit(x) ? 1 << (exponent_bits + mantissa_bits) : 0);
    }
    int codes() const { return 2 << (exponent_bits + mantissa_bits); }
};

template <class Format>
constexpr Definition definition_of();
template <>
constexpr Definition definition_of<E4M3>() {
    return {4, 3, 7, 0x7e, -1};
}
template <>
constexpr Definition definition_of<E5M2>() {
    return {5, 2, 15, 0x7b, 0x7c};
}
template <>
constexpr Definition definition_of<E2M1>() {
    return {2, 1, 1, 7, -1};
}

/// Inputs that `code` takes to another number than the nearest: every finite sixteen-bit float, and between all codes the
/// middle and its neighbours.
template <class Format, class Code>
int wrong_roundings(Code const& code) {
    constexpr auto definition = definition_of<Format>();
    std::vector<float> inputs;
    for (int bits = 0; bits <= 0xffff; ++bits) {
        inputs.push_back(to_float(Float16{static_cast<std::uint16_t>(bits)}));
        inputs.push_back(to_float(BFloat16{static_cast<std::uint16_t>(bits)}));
    }
    for (int low = 0; low < definition.largest; ++low) {
        auto const middle = static_cast<float>((definition.value(low) + definition.value(low + 1)) / 2);
        for (float const x : {middle, std::nextafter(middle, 0.0F), std::nextafter(middle, INFINITY)}) {
            inputs.push_back(x);
            inputs.push_back(-x);
        }
    }
    int wrong = 0;
    for (auto const x : inputs) wrong += !std::isnan(x) && static_cast<int>(code(x)) != definition.nearest(x);
    return wrong;
}

template <class Format>
class SmallFloats : public testing::Test {};
using Formats = testing::Types<E4M3, E5M2, E2M1>;
TYPED_TEST_SUITE(SmallFloats, Formats);

TYPED_TEST(SmallFloats, EveryCodeHasTheValueOfItsFormatAndComesBack) {
    constexpr auto definition = definition_of<TypeParam>();
    for (int code = 0; code < definition.codes(); ++code) {
        double const expected = definition.value(code);
        float const value = small_float_value<TypeParam>(static_cast<std::uint32_t>(code));
        if (std::isnan(expected)) {
            EXPECT_TRUE(std::isnan(value)) << code;
            EXPECT_EQ(std::signbit(value), code >= definition.codes() / 2);
        } else {
            EXPECT_EQ(static_cast<double>(value), expected) << code;
            EXPECT_EQ(std::signbit(value), std::signbit(expected)) << code;
            if (!std::isfinite(expected)) continue;
            EXPECT_EQ(small_float_code<TypeParam>(value), static_cast<unsigned>(code));
        }
    }
    EXPECT_EQ(static_cast<double>(TypeParam::largest_value()), definition.value(definition.largest));
}

TYPED_TEST(SmallFloats, RoundToNearestEvenAndSaturate) {
    EXPECT_EQ(wrong_roundings<TypeParam>([](float x) { return small_float_code<TypeParam>(x); }), 0);
    constexpr auto largest = static_cast<unsigned>(definition_of<TypeParam>().largest);
    EXPECT_EQ(small_float_code<TypeParam>(INFINITY), largest);
    EXPECT_EQ(small_float_code<TypeParam>(std::numeric_limits<float>::max()), largest);
    EXPECT_EQ(small_float_code<TypeParam>(-INFINITY), largest | TypeParam::sign);
}

TYPED_TEST(SmallFloats, CuttingOffAndTiesAwayFromZeroAreNoticed) {
    EXPECT_GT(wrong_roundings<TypeParam>([](float x) {
                  auto const code = small_float_code<TypeParam>(x);
                  return std::fabs(small_float_value<TypeParam>(code)) > std::fabs(x) ? code - 1 : code;
              }),
              100);
    EXPECT_GT(wrong_roundings<TypeParam>(
                  [](float x) { return small_float_code<TypeParam>(std::nextafter(x, std::copysign(INFINITY, x))); }),
              2);
}

TYPED_TEST(SmallFloats, NanStaysNanWhereTheFormatHasIt) {
    if constexpr (TypeParam::nan != 0) {
        for (std::uint32_t const bits : {0x7f800001U, 0xff800001U, 0x7fc00000U, 0x7fffffffU, 0xffffffffU}) {
            auto const value = small_float_value<TypeParam>(small_float_code<TypeParam>(std::bit_cast<float>(bits)));
            EXPECT_TRUE(std::isnan(value)) << std::hex << bits;
            EXPECT_EQ(std::signbit(value), bits >> 31 != 0);
        }
    }
}

TYPED_TEST(SmallFloats, DeclaredRoundingIsReachedAndNotPassed) {
    double most = 0;
    for (int bits = 0; bits < 0x7c00; ++bits) {
        double const x = to_float(Float16{static_cast<std::uint16_t>(bits)});
        if (x > static_cast<double>(TypeParam::largest_value())) continue;
        auto const value = small_float_value<TypeParam>(small_float_code<TypeParam>(static_cast<float>(x)));
        auto const share = std::fabs(value - x) / small_float_rounding<TypeParam>(x);
        EXPECT_LE(share, 1) << x;
        most = std::max(most, share);
    }
    EXPECT_EQ(most, 1);
}

}  // namespace
}  // namespace kvstone
