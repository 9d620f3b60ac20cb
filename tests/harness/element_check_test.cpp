// Types found from the data: values of each type under the names of the others, and data that must raise no suspicion.

#include "harness/sources/element_check.hpp"

#include <bit>
#include <cmath>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/kernels/small_floats.hpp"
#include "tests/harness/dump_fixture.hpp"

namespace kvstone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::size_t count = 4096;

/// Multiples of 2^-20 that are distributed as normal values are, whatever the library.
std::vector<float> normal_values(float mean = 0) {
    std::mt19937 words(7);  // NOLINT: the same on every machine
    std::vector<float> values(count);
    for (auto& value : values) {
        // Irwin and Hall: twelve uniform values make a variance of 1.
        double sum = -6;
        for (int i = 0; i < 12; ++i) sum += static_cast<double>(words()) * 0x1p-32;
        value = static_cast<float>(std::round(sum * 0x1p20) * 0x1p-20) + mean;
    }
    return values;
}
/// Towards 0; 0 below 2^-14.
std::uint16_t half_bits(float value) {
    auto const bits = std::bit_cast<std::uint32_t>(value);
    auto const exponent = (bits >> 23 & 0xffU);
    if (exponent < 113) return 0;
    return static_cast<std::uint16_t>((bits >> 16 & 0x8000U) | (exponent - 112) << 10 | (bits >> 13 & 0x3ffU));
}
std::uint16_t brain_bits(float value) { return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16); }

template <class T, class Convert>
std::string packed(std::vector<float> const& values, Convert convert) {
    std::string bytes;
    for (auto const value : values) bytes += bytes_of<T>({static_cast<T>(convert(value))});
    return bytes;
}
std::string floats_of(std::vector<float> const& values) {
    return packed<float>(values, [](float value) { return value; });
}
std::string halves_of(std::vector<float> const& values) { return packed<std::uint16_t>(values, half_bits); }
std::string brains_of(std::vector<float> const& values) { return packed<std::uint16_t>(values, brain_bits); }
std::string likely(std::string const& bytes, char const* dtype) {
    return check_elements(std::as_bytes(std::span(bytes)), dtype).likely;
}

TEST(ElementCheck, TellsEachTypeUnderTheNameOfAnother) {
    auto const values = normal_values();
    EXPECT_EQ(likely(halves_of(values), "bf16"), "f16");
    EXPECT_EQ(likely(brains_of(values), "f16"), "bf16");
    EXPECT_EQ(likely(floats_of(values), "f16"), "f32");
    EXPECT_EQ(likely(floats_of(values), "bf16"), "f32");
    EXPECT_EQ(likely(halves_of(values), "f32"), "f16");
    EXPECT_EQ(likely(brains_of(values), "f32"), "bf16");
    // Values of a narrow type that were stored as f32.
    auto widened = values;
    for (auto& value : widened) value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & 0xffff0000U);
    EXPECT_EQ(likely(floats_of(widened), "bf16"), "f32");
    EXPECT_EQ(likely(floats_of(widened), "f16"), "f32");
    for (auto& value : widened) value = std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) & 0xffffe000U);
    EXPECT_EQ(likely(floats_of(widened), "f32"), "");
    auto const integers = packed<std::int8_t>(values, [](float value) { return std::lround(value * 30); });
    auto const small = packed<std::uint8_t>(values, small_float_code<E4M3>);
    EXPECT_EQ(likely(integers, "f8_e4m3"), "i8");
    EXPECT_EQ(likely(small, "i8"), "f8_e4m3");
}

TEST(ElementCheck, LeavesValuesOfTheirOwnTypeAlone) {
    auto const alone = [](std::vector<float> const& values) {
        EXPECT_EQ(likely(floats_of(values), "f32"), "");
        EXPECT_EQ(likely(halves_of(values), "f16"), "");
        EXPECT_EQ(likely(brains_of(values), "bf16"), "");
    };
    alone(normal_values());
    alone(normal_values(4));                 // one sign, and within a binade or two
    alone(std::vector<float>(count, 1.0F));  // one value
    alone(std::vector<float>(count, 0.0F));  // none to judge
    alone(std::vector<float>(32, 1.0F));     // too few
    auto values = normal_values();
    for (std::size_t i = 0; i < count; ++i) values[i] *= i % 64 == 0 ? 10.0F : 0.01F;  // outlier channels
    alone(values);
    for (auto& value : values) value = value < 0 ? -1.0F : 1.0F;  // both signs, never small
    alone(values);
    for (std::size_t i = 0; i < count; ++i) values[i] = i % 2 == 0 ? 0.0F : 1.1F;
    EXPECT_EQ(likely(floats_of(values), "f32"), "");
    auto const integers = packed<std::int8_t>(normal_values(), [](float value) { return std::lround(value * 30); });
    auto const biased = packed<std::int8_t>(normal_values(), [](float value) { return std::lround(value * 20 + 60); });
    EXPECT_EQ(likely(integers, "i8"), "");
    EXPECT_EQ(likely(biased, "i8"), "");
    EXPECT_EQ(likely(packed<std::uint8_t>(normal_values(), small_float_code<E4M3>), "f8_e4m3"), "");
}

/// The quartiles of |x| of N(0,1) are 0.3186 and 1.1503, 1.852 binades apart.
TEST(ElementCheck, SpreadIsThatOfNormalValues) {
    auto const bytes = floats_of(normal_values());
    // 4096 values leave a standard error of 0.05 binades.
    EXPECT_NEAR(check_elements(std::as_bytes(std::span(bytes)), "f32").spread, 1.852, 0.2);
}

TEST_F(Dump, ATypeThatTheDataContradictIsRefused) {
    auto const words = folder_.write(
        "w.safetensors",
        safetensors_bytes("{" + entry("k", "U16", "[1,1,64,64]", "[0,8192]") + "}", halves_of(normal_values())));
    EXPECT_THAT(refused(words, {{"k", "k"}, {"dtype", "bf16"}}),
                AllOf(HasSubstr("the values do not fit the stated dtype"), HasSubstr("accepted: f16")));
    EXPECT_TRUE(load(words, {{"k", "k"}, {"dtype", "f16"}}).k);
    // f32 in a file that a sidecar calls f16, with twice the tokens: some of its halves are no numbers at all.
    auto const raw = folder_.write("w.bin", floats_of(normal_values()));
    Json const k{{"dtype", "f16"}, {"layout", "token dim"}, {"offset", 0}, {"shape", {128, 64}}};
    EXPECT_THAT(refused(raw, {{"raw", {{"k", k}}}}), AllOf(HasSubstr("every other value"), HasSubstr("accepted: f32")));
}

}  // namespace
}  // namespace kvstone
