// LMCache's presets of TurboQuant as codec text, against the correlation and the ratio that are published for them.

#include <cmath>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

// Keys are fp8 or, rotated, the nearest levels of Lloyd and Max with the vector's norm restored (nc); values are even
// steps between the least and the largest of a vector, with both of them as f16. The first and the last two layers stay.
constexpr auto ends = "first_layers(2){fp16} last_layers(2){fp16} ";
constexpr auto k8 = "k{fp8:format=e4m3} ";
constexpr auto k4 = "k{hadamard | lloydmax:bits=4,norm=matched} ";
constexpr auto k3 = "k{hadamard | lloydmax:bits=3,norm=matched} ";
constexpr auto v4 = "v{int:bits=4,scheme=asymmetric,axis=token}";
constexpr auto v3 = "v{int:bits=3,scheme=asymmetric,axis=token}";

/// As published: N(0,1) as fp16, 32 layers, heads of 128; the correlation is of all values of K and V together.
struct Preset {
    std::string name;
    std::string codec;
    double correlation;
    double ratio;                   ///< of fp16 to everything that is stored
    std::string wrong_correlation;  ///< a mutant of the same size
    std::string wrong_ratio;        ///< a mutant that errs no more
};

void PrintTo(Preset const& preset, std::ostream* out) { *out << preset.name; }

std::vector<Preset> published() {
    std::string const raw(ends);
    return {
        {"k8v4", raw + k8 + v4, .997674, 2.174, raw + "k{fp8:format=e5m2} " + v4, raw + "k{fp16} " + v4},
        {"4bit_nc", raw + k4 + v4, .995838, 2.825, raw + "k{int:bits=4,axis=token} " + v4,
         raw + k4 + "v{int:bits=4,scheme=asymmetric,axis=token,scale=fp32}"},
        {"k3v4_nc", raw + k3 + v4, .990451, 3.061, raw + "k{hadamard | lloydmax:bits=3} " + v4,
         "first_layers(6){fp16} " + std::string(k3) + v4},
        {"3bit_nc", raw + k3 + v3, .982843, 3.341, raw + "k{hadamard | lloydmax:bits=3} " + v3, raw + k3 + v4},
    };
}

// Over 40 seeds of 2 x 4,194,304 values the correlations are .9976776 .9958284 .9904521 .9828449 in the mean, with
// standard deviations of 2, 4, 9 and 12 x 10^-6: one seed is enough for four decimals. LMCache's pull request 4924 has a
// run over 2^30 values: .997677 .995828 .990453 .982844. The published figure of 4bit_nc lies 10^-5 above both.
constexpr KvShape shape{32, 1, 1024, 128};
constexpr double four_decimals = 5e-5;
constexpr double three_decimals = 5e-4;

/// K or V, and its values as f16 has them.
struct Original {
    explicit Original(unsigned seed)
        : tensor(shape, ElementType::f16, normal_values(shape.values(), seed)), values(tensor.values()) {}
    TestTensor tensor;
    std::vector<float> values;
};

Original const& original(Component component) {
    static Original const k(1), v(2);
    return component == Component::k ? k : v;
}

struct Figures {
    double correlation;
    double ratio;
};

Figures figures_of(std::string const& text) {
    double x = 0, y = 0, xx = 0, yy = 0, xy = 0;
    std::uint64_t stored_bytes = 0;
    for (auto const component : {Component::k, Component::v}) {
        auto const& [tensor, before] = original(component);
        auto const codec = encoded(text, tensor, component);
        stored_bytes += codec.ledger().stored_bytes();
        auto const after = decoded(codec, shape, ElementType::f16).values();
        for (std::size_t i = 0; i < before.size(); ++i) {
            double const a = before[i];
            double const b = after[i];
            x += a;
            y += b;
            xx += a * a;
            yy += b * b;
            xy += a * b;
        }
    }
    auto const count = 2.0 * static_cast<double>(shape.values());
    auto const correlation = (xy - x * y / count) / std::sqrt((xx - x * x / count) * (yy - y * y / count));
    return {correlation, 2 * count / static_cast<double>(stored_bytes)};
}

class LmcachePresets : public testing::TestWithParam<Preset> {};

TEST_P(LmcachePresets, CorrelationToFourDecimalsAndRatioToThree) {
    auto const& preset = GetParam();
    auto const ours = figures_of(preset.codec);
    RecordProperty("correlation", std::to_string(ours.correlation));
    RecordProperty("ratio", std::to_string(ours.ratio));
    EXPECT_NEAR(ours.correlation, preset.correlation, four_decimals);
    EXPECT_NEAR(ours.ratio, preset.ratio, three_decimals);

    auto const worse = figures_of(preset.wrong_correlation);
    EXPECT_NEAR(worse.ratio, preset.ratio, three_decimals) << preset.wrong_correlation;
    EXPECT_GT(std::fabs(worse.correlation - preset.correlation), four_decimals) << preset.wrong_correlation;
    auto const larger = figures_of(preset.wrong_ratio);
    EXPECT_GE(larger.correlation, ours.correlation - four_decimals) << preset.wrong_ratio;
    EXPECT_GT(std::fabs(larger.ratio - preset.ratio), three_decimals) << preset.wrong_ratio;
    auto const everywhere = figures_of(preset.codec.substr(std::string(ends).size()));
    EXPECT_GT(std::fabs(everywhere.correlation - preset.correlation), four_decimals) << "no layer is kept as it is";
    EXPECT_GT(std::fabs(everywhere.ratio - preset.ratio), three_decimals) << "no layer is kept as it is";
}

INSTANTIATE_TEST_SUITE_P(Normal, LmcachePresets, testing::ValuesIn(published()),
                         [](auto const& preset) { return preset.param.name; });

}  // namespace
}  // namespace kvstone
