// Sixteen-bit floats over all their codes, against the format's definition in double precision.

#include "backends/kernels/floats.hpp"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

/// A binary format by its definition.
struct Format {
    int exponent_bits;
    int mantissa_bits;

    double value(std::uint16_t code) const {
        int const bias = (1 << (exponent_bits - 1)) - 1;
        int const exponent = (code & 0x7fff) >> mantissa_bits;
        int const mantissa = code & ((1 << mantissa_bits) - 1);
        double const sign = (code & 0x8000) != 0 ? -1 : 1;
        if (exponent == (1 << exponent_bits) - 1) {
            return mantissa != 0 ? std::numeric_limits<double>::quiet_NaN()
                                 : sign * std::numeric_limits<double>::infinity();
        }
        if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
        return sign * std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
    }
    std::uint16_t infinity() const { return static_cast<std::uint16_t>(((1 << exponent_bits) - 1) << mantissa_bits); }
};

template <class T>
constexpr Format format_of();
template <>
constexpr Format format_of<Float16>() {
    return {5, 10};
}
template <>
constexpr Format format_of<BFloat16>() {
    return {8, 7};
}

/// Wrong ways of rounding between neighbouring codes: ties not to even, or either side of one.
template <class T, class Round>
int wrong_roundings(Round const& round) {
    constexpr auto format = format_of<T>();
    int wrong = 0;
    for (std::uint32_t code = 0; code < format.infinity(); ++code) {
        auto const low = static_cast<std::uint16_t>(code);
        auto const high = static_cast<std::uint16_t>(code + 1);
        // Above the largest finite code lies the place of the next one, from whose middle on values are Inf.
        double const above =
            high == format.infinity() ? 2 * format.value(low) - format.value(low - 1) : format.value(high);
        auto const middle = static_cast<float>((format.value(low) + above) / 2);
        auto const even = (low & 1) == 0 ? low : high;
        for (int const sign : {0, 0x8000}) {
            float const s = sign != 0 ? -1.0F : 1.0F;
            wrong += round(s * middle).bits != (even | sign);
            wrong += round(s * std::nextafter(middle, 0.0F)).bits != (low | sign);
            wrong += round(s * std::nextafter(middle, INFINITY)).bits != (high | sign);
        }
    }
    return wrong;
}

template <class T>
class SixteenBitFloat : public testing::Test {};
using Types = testing::Types<Float16, BFloat16>;
TYPED_TEST_SUITE(SixteenBitFloat, Types);

TYPED_TEST(SixteenBitFloat, EveryCodeHasTheValueOfItsFormatAndComesBack) {
    constexpr auto format = format_of<TypeParam>();
    for (std::uint32_t code = 0; code <= 0xffff; ++code) {
        TypeParam const stored{static_cast<std::uint16_t>(code)};
        float const widened = to_float(stored);
        double const expected = format.value(stored.bits);
        auto const back = from_float<TypeParam>(widened);
        if (std::isnan(expected)) {
            ASSERT_TRUE(std::isnan(widened)) << code;
            ASSERT_TRUE(std::isnan(to_float(back))) << code;
            ASSERT_EQ(back.bits & 0x8000, code & 0x8000) << "sign of NaN";
        } else {
            ASSERT_EQ(static_cast<double>(widened), expected) << code;
            ASSERT_EQ(std::signbit(widened), std::signbit(expected)) << code;
            ASSERT_EQ(back.bits, code);
        }
    }
}

TYPED_TEST(SixteenBitFloat, RoundsToNearestEvenBetweenAllCodes) {
    EXPECT_EQ(wrong_roundings<TypeParam>([](float x) { return from_float<TypeParam>(x); }), 0);
}

TYPED_TEST(SixteenBitFloat, CuttingOffInsteadOfRoundingIsNoticed) {
    auto const cut = [](float x) {
        auto const rounded = from_float<TypeParam>(x);
        bool const beyond = std::fabs(to_float(rounded)) > std::fabs(x);
        return TypeParam{static_cast<std::uint16_t>(rounded.bits - (beyond ? 1 : 0))};
    };
    EXPECT_GT(wrong_roundings<TypeParam>(cut), 60000);
}

TYPED_TEST(SixteenBitFloat, NanWhosePayloadLiesBelowTheStoredBitsStaysNan) {
    for (std::uint32_t const bits : {0x7f800001U, 0xff800001U, 0x7fc00000U, 0x7fffffffU, 0xffffffffU}) {
        auto const nan = std::bit_cast<float>(bits);
        EXPECT_TRUE(std::isnan(to_float(from_float<TypeParam>(nan)))) << std::hex << bits;
    }
}

TYPED_TEST(SixteenBitFloat, InfinityStaysAndOverflowBecomesIt) {
    constexpr auto format = format_of<TypeParam>();
    EXPECT_EQ(from_float<TypeParam>(INFINITY).bits, format.infinity());
    EXPECT_EQ(from_float<TypeParam>(-INFINITY).bits, format.infinity() | 0x8000);
    EXPECT_EQ(from_float<TypeParam>(std::numeric_limits<float>::max()).bits, format.infinity());
}

}  // namespace
}  // namespace kvstone
