// Block formats against their definitions in double precision, and bounds against quantisers that are a little wrong.

#include <algorithm>
#include <cmath>
#include <functional>

#include <gtest/gtest.h>

#include "codecs/container/error_bounds.hpp"
#include "tests/codecs/conformance.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

constexpr KvShape shape{1, 4, 2048, 128};

std::vector<double> doubles(std::vector<float> const& values) { return {values.begin(), values.end()}; }

/// The numbers that are not negative of a format without codes for Inf and NaN but those above `largest`.
std::vector<double> numbers(int exponent_bits, int mantissa_bits, double largest) {
    std::vector<double> all;
    int const bias = (1 << (exponent_bits - 1)) - 1;
    for (int code = 0; code < 1 << (exponent_bits + mantissa_bits); ++code) {
        int const exponent = code >> mantissa_bits;
        int const mantissa = code % (1 << mantissa_bits);
        auto const value = exponent == 0 ? std::ldexp(mantissa, 1 - bias - mantissa_bits)
                                         : std::ldexp((1 << mantissa_bits) + mantissa, exponent - bias - mantissa_bits);
        if (value <= largest) all.push_back(value);
    }
    return all;
}

/// The nearest number, of two the one whose code is even; cut off instead where `cut` is set.
double nearest(std::vector<double> const& all, double x, bool cut = false) {
    auto const above = std::ranges::lower_bound(all, std::fabs(x));
    if (above == all.end()) return std::copysign(all.back(), x);
    if (above == all.begin()) return std::copysign(0.0, x);
    auto const below = above - 1;
    auto const to_above = *above - std::fabs(x);
    auto const to_below = std::fabs(x) - *below;
    bool const even_above = (above - all.begin()) % 2 == 0;
    bool const up = *above == std::fabs(x) || (!cut && (to_above < to_below || (to_above == to_below && even_above)));
    return std::copysign(up ? *above : *below, x);
}

double magnitude(double const* values, std::size_t count) {
    double largest = 0;
    for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(values[i]));
    return largest;
}

using Rounding = double (*)(double);

/// MX: blocks of 32 below 2^(round(log2 max |x|) - of_largest), round being floor.
std::vector<double> power_blocks(std::vector<double> values, std::vector<double> const& all, int of_largest,
                                 Rounding round, bool cut = false) {
    for (std::size_t first = 0; first < values.size(); first += 32) {
        auto const largest = magnitude(&values[first], 32);
        auto const step = std::ldexp(1.0, static_cast<int>(round(std::log2(largest))) - of_largest);
        for (std::size_t i = first; i < first + 32; ++i) values[i] = step * nearest(all, values[i] / step, cut);
    }
    return values;
}

/// NVFP4: blocks of 16 below an E4M3 number times a global one.
std::vector<double> global_blocks(std::vector<double> values, double of_largest, bool cut = false) {
    auto const e2m1 = numbers(2, 1, 6);
    auto const e4m3 = numbers(4, 3, 448);
    auto const global = magnitude(values.data(), values.size()) / (448 * 6);
    for (std::size_t first = 0; first < values.size(); first += 16) {
        auto const step = global * nearest(e4m3, magnitude(&values[first], 16) / of_largest / global);
        for (std::size_t i = first; i < first + 16; ++i) values[i] = step * nearest(e2m1, values[i] / step, cut);
    }
    return values;
}

std::vector<double> mxfp4(std::vector<double> const& values) {
    return power_blocks(values, numbers(2, 1, 6), 2, std::floor);
}
std::vector<double> mxfp8(std::vector<double> const& values) {
    return power_blocks(values, numbers(4, 3, 448), 8, std::floor);
}
std::vector<double> mxfp8_e5m2(std::vector<double> const& values) {
    return power_blocks(values, numbers(5, 2, 57344), 15, std::floor);
}
std::vector<double> nvfp4(std::vector<double> const& values) { return global_blocks(values, 6); }

double nmse(std::vector<double> const& original, std::vector<double> const& result) {
    double error = 0;
    double energy = 0;
    for (std::size_t i = 0; i < original.size(); ++i) {
        error += std::pow(result[i] - original[i], 2);
        energy += std::pow(original[i], 2);
    }
    return error / energy;
}

struct Definition {
    std::string codec;
    std::vector<double> (*values)(std::vector<double> const&);
    double tolerance;  ///< share of the values that may differ: quotients in single precision that cross a tie
};

class BlockDefinitions : public testing::TestWithParam<Definition> {};

TEST_P(BlockDefinitions, GiveTheSameValues) {
    auto const values = normal_values(shape.values());
    auto const expected = GetParam().values(doubles(values));
    auto const ours =
        decoded(encoded(GetParam().codec, TestTensor(shape, ElementType::f32, values)), shape, ElementType::f32)
            .values();
    double differing = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
        differing += std::fabs(ours[i] - expected[i]) > std::ldexp(std::fabs(expected[i]), -20);
    }
    EXPECT_LE(differing, GetParam().tolerance * static_cast<double>(values.size()));
}

INSTANTIATE_TEST_SUITE_P(All, BlockDefinitions,
                         testing::Values(Definition{"mxfp4", mxfp4, 0}, Definition{"mxfp8", mxfp8, 0},
                                         Definition{"mxfp8:format=e5m2", mxfp8_e5m2, 0},
                                         Definition{"nvfp4", nvfp4, 1e-4}),
                         [](auto const& all) { return test_name_of(all.param.codec); });

TEST(BlockFloats, ErrorsOfOtherDefinitionsAreOthers) {
    auto const values = doubles(normal_values(shape.values()));
    EXPECT_NEAR(nmse(values, mxfp4(values)), .0132, .000132);
    // The nearest power of two to max |x| / 6, instead of the one that the specification has.
    auto const rounded = [](double exponent) { return std::round(exponent - std::log2(6)) + 2; };
    EXPECT_NEAR(nmse(values, power_blocks(values, numbers(2, 1, 6), 2, rounded)), .01475, .0001475);
    EXPECT_NEAR(nmse(values, nvfp4(values)), .00905, .0000905);
    EXPECT_GT(nmse(values, global_blocks(values, 4)), .0092) << "of a block's largest value over 4";
    EXPECT_GT(nmse(values, global_blocks(values, 6, true)), .02);
}

/// The values of a quantiser that is a little wrong.
struct WrongBlocks {
    std::string codec;
    std::string name;
    std::function<std::vector<double>(std::vector<double>)> values;
};

/// Blocks of `size`, each value cut off to a multiple of the block's step above its origin, instead of rounded.
std::vector<double> cut_off(std::vector<double> values, std::size_t size, double (*step_of)(double, double),
                            bool from_least = false) {
    for (std::size_t first = 0; first < values.size(); first += size) {
        auto const [least, most] = std::ranges::minmax(std::span(values).subspan(first, size));
        auto const step = step_of(least, most);
        auto const origin = from_least ? least : 0;
        for (std::size_t i = first; i < first + size; ++i) {
            values[i] = origin + std::trunc((values[i] - origin) / step) * step;
        }
    }
    return values;
}

class BlockBounds : public testing::TestWithParam<WrongBlocks> {};

TEST_P(BlockBounds, TellWrongQuantisers) {
    auto const values = test_values(shape);
    auto const wrong = GetParam().values(doubles(values));
    auto const bounds =
        declared_error_bounds(Codec::parse(GetParam().codec), Component::k, shape, ElementType::f32, values);
    std::size_t beyond = 0;
    for (std::size_t i = 0; i < values.size(); ++i) beyond += std::fabs(wrong[i] - values[i]) > bounds[i];
    EXPECT_GT(beyond, values.size() / 100);
}

double of_127(double least, double most) { return std::max(-least, most) / 127; }
double of_8(double least, double most) { return std::max(-least, most) / 8; }
double of_16(double least, double most) { return std::max(-least, most) / 16; }
double of_15(double least, double most) { return (most - least) / 15; }
double of_31(double least, double most) { return (most - least) / 31; }
/// Largest values kept: in test_values() they are those of every 16th channel.
std::vector<double> kept_and_cut_off(std::vector<double> values) {
    for (std::size_t first = 0; first < values.size(); first += 16) {
        auto const kept = values[first + 3];
        values[first + 3] = 0;
        double largest = magnitude(&values[first / 128 * 128], 128);
        for (std::size_t i = first; i < first + 16; ++i) values[i] = std::trunc(values[i] / largest * 7) * largest / 7;
        values[first + 3] = kept;
    }
    return values;
}

INSTANTIATE_TEST_SUITE_P(
    All, BlockBounds,
    testing::Values(
        WrongBlocks{"q8_0", "cut", [](auto values) { return cut_off(values, 32, of_127); }},
        WrongBlocks{"q4_0", "cut", [](auto values) { return cut_off(values, 32, of_8); }},
        WrongBlocks{"q5_0", "cut", [](auto values) { return cut_off(values, 32, of_16); }},
        WrongBlocks{"q4_1", "cut", [](auto values) { return cut_off(values, 32, of_15, true); }},
        WrongBlocks{"q5_1", "cut", [](auto values) { return cut_off(values, 32, of_31, true); }},
        WrongBlocks{"q4_0", "blocks_of_128", [](auto values) { return cut_off(values, 128, of_8); }},
        WrongBlocks{"mxfp4", "cut",
                    [](auto values) { return power_blocks(values, numbers(2, 1, 6), 2, std::floor, true); }},
        WrongBlocks{"mxfp4", "exponent_rounded_up",
                    [](auto values) { return power_blocks(values, numbers(2, 1, 6), 2, std::ceil); }},
        WrongBlocks{"mxfp8", "cut",
                    [](auto values) { return power_blocks(values, numbers(4, 3, 448), 8, std::floor, true); }},
        WrongBlocks{"mxfp8:format=e5m2", "cut",
                    [](auto values) { return power_blocks(values, numbers(5, 2, 57344), 15, std::floor, true); }},
        WrongBlocks{"nvfp4", "cut", [](auto values) { return global_blocks(values, 6, true); }},
        WrongBlocks{"nvfp4", "over_3", [](auto values) { return global_blocks(values, 3); }},
        WrongBlocks{"blocknorm:bits=4,topk=0.0625", "cut", kept_and_cut_off},
        WrongBlocks{"blocknorm:bits=4,topk=0.0625", "none_kept",
                    [](auto values) {
                        return cut_off(values, 128,
                                       [](double least, double most) { return of_127(least, most) * 127 / 7; });
                    }}),
    [](auto const& all) { return test_name_of(all.param.codec) + "_" + all.param.name; });

}  // namespace
}  // namespace kvstone
