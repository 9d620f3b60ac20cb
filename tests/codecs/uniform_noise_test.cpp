// Fine steps err as uniform noise: by a twelfth of the squared step, but for the values that set the range.

#include <algorithm>
#include <cmath>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "tests/codecs/conformance.hpp"
#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

constexpr KvShape shape{1, 8, 2048, 128};

struct Grid {
    std::string codec;
    bool symmetric;
    std::size_t group;  ///< values that share a step
};

void PrintTo(Grid const& grid, std::ostream* out) { *out << grid.codec; }

std::vector<Grid> grids() {
    auto const all = shape.values();
    return {
        {"int8", true, all},
        {"int8:scheme=asymmetric", false, all},
        {"int:bits=8", true, all},
        {"int:bits=8,scheme=asymmetric", false, all},
        {"int:bits=8,axis=token", true, 128},
        {"int:bits=8,axis=token,group=64", true, 64},
        {"int:bits=8,scheme=asymmetric,axis=token", false, 128},
        {"int:bits=8,scheme=asymmetric,axis=token,group=64", false, 64},
    };
}

/// Squared error over squares: the mean of s^2 / 12 over the groups, s being the width of a group's range over `steps`.
/// Of each group the `exact` values at the ends of the range are met exactly.
double expected(std::vector<float> const& values, Grid const& grid, double steps, double exact) {
    double noise = 0, squares = 0;
    for (auto group = values.begin(); group != values.end(); group += static_cast<std::ptrdiff_t>(grid.group)) {
        auto const end = group + static_cast<std::ptrdiff_t>(grid.group);
        double const least = *std::min_element(group, end);
        double const most = *std::max_element(group, end);
        auto const step = (grid.symmetric ? 2 * std::max(-least, most) : most - least) / steps;
        noise += step * step / 12 * (static_cast<double>(grid.group) - exact);
        for (auto value = group; value != end; ++value) squares += static_cast<double>(*value) * *value;
    }
    return noise / squares;
}

class UniformNoise : public testing::TestWithParam<Grid> {};

TEST_P(UniformNoise, IsATwelfthOfTheSquaredStep) {
    auto const& grid = GetParam();
    static auto const values = normal_values(shape.values(), 3);
    static TestTensor const tensor(shape, ElementType::f32, values);
    auto const ours = relative_energy(values, decoded(encoded(grid.codec, tensor), shape, ElementType::f32).values());
    RecordProperty("nmse", std::to_string(ours));
    constexpr double tolerance = 0.005;  // 2 million errors are within 0.002; f16 scales move a step by 0.0005 at most
    double const steps = grid.symmetric ? 254 : 255;
    double const exact = grid.symmetric ? 1 : 2;
    auto const right = expected(values, grid, steps, exact);
    EXPECT_NEAR(ours, right, tolerance * right);
    auto const one_step_more = expected(values, grid, steps + (grid.symmetric ? 2 : 1), exact);
    EXPECT_GT(std::fabs(ours - one_step_more), tolerance * one_step_more);
    if (grid.group == values.size()) {
        EXPECT_GT(ours, .000088) << "no 256 even levels err less";
    } else {
        auto const none_exact = expected(values, grid, steps, 0);
        EXPECT_GT(std::fabs(ours - none_exact), tolerance * none_exact);
    }
}

INSTANTIATE_TEST_SUITE_P(Normal, UniformNoise, testing::ValuesIn(grids()),
                         [](auto const& grid) { return test_name_of(grid.param.codec); });

}  // namespace
}  // namespace kvstone
