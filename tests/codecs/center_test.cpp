// Mean removal against long double, and its gain for a quantiser.

#include <gtest/gtest.h>

#include "tests/codecs/stored.hpp"

namespace kvstone {
namespace {

TEST(Center, WorkedExample) {
    auto const planes = planes_of("center | raw", {1, 1, 3, 2}, {1, 10, 2, 20, 6, 30});
    ASSERT_EQ(planes.size(), 2U);
    EXPECT_EQ(planes[0], bytes_of({0x00, 0x42, 0x00, 0x4d}));
    EXPECT_EQ(transformed("center", {1, 1, 3, 2}, {1, 10, 2, 20, 6, 30}), (std::vector<float>{-2, -10, -1, 0, 3, 10}));
    EXPECT_EQ(planes_of("center:means=fp32 | raw", {1, 1, 3, 2}, {1, 10, 2, 20, 6, 30})[0],
              bytes_of({0, 0, 0x40, 0x40, 0, 0, 0xa0, 0x41}));
}

/// Means of a [layer, head, channel] over `tokens` of the values' tokens.
std::vector<float> means(KvShape const& shape, std::vector<float> const& values, std::uint64_t tokens) {
    std::vector<float> result;
    for (std::uint64_t head = 0; head < shape.layers * shape.heads; ++head) {
        for (std::uint64_t c = 0; c < shape.dim; ++c) {
            long double sum = 0;
            for (std::uint64_t t = 0; t < tokens; ++t) sum += values[(head * shape.tokens + t) * shape.dim + c];
            result.push_back(static_cast<float>(sum / static_cast<long double>(tokens)));
        }
    }
    return result;
}

std::vector<float> stored_means(KvShape const& shape, std::vector<float> const& values) {
    auto const plane = planes_of("center:means=fp32 | raw", shape, values)[0];
    std::vector<float> result(plane.size() / sizeof(float));
    std::memcpy(result.data(), plane.data(), plane.size());
    return result;
}

TEST(Center, MeansAreThoseOfLongDouble) {
    for (KvShape const shape : {KvShape{2, 3, 37, 80}, KvShape{1, 2, 1000, 128}, KvShape{1, 1, 3, 2500}}) {
        auto values = test_values(shape);
        for (std::size_t i = 0; i < values.size(); ++i) values[i] += static_cast<float>(i % shape.dim);
        auto const ours = stored_means(shape, values);
        EXPECT_EQ(ours, means(shape, values, shape.tokens));
        EXPECT_NE(ours, means(shape, values, shape.tokens - 1)) << "the last token left out";
    }
}

TEST(Center, MeansPassNanAndInfBy) {
    KvShape const shape{1, 1, 4, 3};
    std::vector<float> const values{1, NAN, NAN, INFINITY, 5, NAN, 3, -INFINITY, -NAN, 5, 7, INFINITY};
    EXPECT_EQ(stored_means(shape, values), (std::vector<float>{3, 6, 0}));
    TestTensor const tensor(shape, ElementType::f32, values);
    auto const result = decoded(encoded("center | raw", tensor), shape, ElementType::f32).values();
    for (std::size_t i = 0; i < values.size(); ++i) {
        EXPECT_TRUE(std::isnan(values[i]) ? std::isnan(result[i]) : result[i] == values[i]) << i;
    }
}

TEST(Center, MeansBeyondBinary16AreItsLargest) {
    KvShape const shape{1, 1, 2, 1};
    EXPECT_EQ(planes_of("center | raw", shape, {1e30F, 1e30F})[0], bytes_of({0xff, 0x7b}));
    EXPECT_EQ(stored_means(shape, {3e38F, 3e38F}), (std::vector<float>{3e38F})) << "sums of f32 do not overflow";
}

/// NMSE of int8 with and without, on channels whose means lie `apart` of each other.
double gain(float apart) {
    KvShape const shape{1, 2, 512, 64};
    auto values = normal_values(shape.values());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += apart * static_cast<float>(i % 16);
    TestTensor const tensor(shape, ElementType::f32, values);
    auto const error = [&](std::string const& text) {
        return relative_energy(values, decoded(encoded(text, tensor), shape, ElementType::f32).values());
    };
    return error("center | int8") / error("int8");
}

TEST(Center, HelpsWhereChannelsAreOffCentreAlone) {
    // Steps go with the range: +-4.5 or so instead of 15 + 4.5, and its square is .05.
    EXPECT_LT(gain(1), 0.08);
    EXPECT_NEAR(gain(0), 1, 0.05);
}

}  // namespace
}  // namespace kvstone
