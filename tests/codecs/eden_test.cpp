// lloydmax with norm=eden: decoded vectors have the whole of x in the direction of x, and the error that this costs.

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

std::string levels(int bits, std::string const& norm) {
    return "hadamard | lloydmax:bits=" + std::to_string(bits) + ",norm=" + norm;
}

/// The largest | <x, x'> / |x|^2 - 1 | of a vector, and the mean of it with its sign.
struct Bias {
    double largest = 0;
    double mean = 0;
};

Bias bias_of(std::string const& text, KvShape const& shape, std::vector<float> const& values) {
    auto const result =
        decoded(encoded(text, TestTensor(shape, ElementType::f32, values)), shape, ElementType::f32).values();
    Bias bias;
    for (std::size_t first = 0; first < values.size(); first += shape.dim) {
        double product = 0, squares = 0;
        for (auto i = first; i < first + shape.dim; ++i) {
            product += static_cast<double>(values[i]) * result[i];
            squares += static_cast<double>(values[i]) * values[i];
        }
        bias.largest = std::max(bias.largest, std::fabs(product / squares - 1));
        bias.mean += (product / squares - 1) / static_cast<double>(shape.vectors());
    }
    return bias;
}

TEST(Lloydmax, EdenEveryVectorKeepsItsPartAlongItself) {
    KvShape const shape{1, 2, 1024, 128};
    auto const normal = normal_values(shape.values(), 5);
    auto const outliers = test_values(shape, 5);
    // S is an f16 of the nearest value, so it is off by 2^-11 at most; rotation and sums add less than 2^-17.
    auto const holds = [](Bias const& bias) { return bias.largest < 0x1p-11 + 0x1p-17 && std::fabs(bias.mean) < 2e-5; };
    for (int bits = 1; bits <= 5; ++bits) {
        for (auto const* values : {&normal, &outliers}) {
            auto const ours = bias_of(levels(bits, "eden"), shape, *values);
            EXPECT_TRUE(holds(ours)) << bits << " bits: " << ours.largest << ", mean " << ours.mean;
            EXPECT_FALSE(holds(bias_of(levels(bits, "none"), shape, *values))) << bits;
            EXPECT_FALSE(holds(bias_of(levels(bits, "matched"), shape, *values))) << bits;
        }
    }
}

/// Levels of distortion D have <x, c> = |c|^2 = (1 - D) |x|^2 in long vectors. Scaled so that <x, x'> is |x|^2, they err by
/// D / (1 - D); with the norm of x by 2 - 2 sqrt(1 - D); as they are by D.
TEST(Lloydmax, EdenDistortionFollowsFromThatOfTheLevels) {
    KvShape const shape{1, 1, 1024, 4096};
    auto const values = normal_values(shape.values(), 6);
    TestTensor const tensor(shape, ElementType::f32, values);
    std::vector<double> const of_levels{.36338, .11748, .03455, .00950};
    for (int bits = 1; bits <= 4; ++bits) {
        auto const d = of_levels[static_cast<std::size_t>(bits - 1)];
        auto const error = [&](char const* norm) {
            auto const text = "lloydmax:bits=" + std::to_string(bits) + ",norm=" + norm;
            return relative_energy(values, decoded(encoded(text, tensor), shape, ElementType::f32).values());
        };
        auto const is = [](double ours, double right) { return std::fabs(ours - right) < 0.004 * right; };
        auto const eden = error("eden"), matched = error("matched"), none = error("none");
        RecordProperty("eden_" + std::to_string(bits), std::to_string(eden));
        EXPECT_TRUE(is(eden, d / (1 - d))) << bits << " bits: " << eden;
        EXPECT_TRUE(is(matched, 2 - 2 * std::sqrt(1 - d))) << bits << " bits: " << matched;
        EXPECT_TRUE(is(none, d)) << bits << " bits: " << none;
        EXPECT_FALSE(is(matched, d / (1 - d))) << bits;
        EXPECT_FALSE(is(none, d / (1 - d))) << bits;
    }
}

}  // namespace
}  // namespace kvstone
