// Tables in registers against the plain loops that define them.

#include "backends/kernels/table_lookup.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

/// Ascending thresholds at uneven distances, and behind them infinity.
std::vector<float> thresholds_of(unsigned bits) {
    std::vector<float> thresholds;
    auto const count = static_cast<int>(1U << bits) - 1;
    for (int k = 0; k < count; ++k) {
        auto const x = static_cast<float>(2 * k - count + 1) / static_cast<float>(2 * count);
        thresholds.push_back(x + 0.3F * x * x * x);
    }
    thresholds.resize(searched_thresholds, INFINITY);
    return thresholds;
}

/// Thresholds themselves, their neighbours, values between and beyond, and NaN; an odd count.
std::vector<float> probes(std::vector<float> const& thresholds) {
    std::vector<float> values{NAN, -NAN, INFINITY, -INFINITY, 0.0F, -0.0F, 1e-45F, 3.4e38F, -3.4e38F};
    for (auto const threshold : thresholds) {
        for (auto const value : {threshold, std::nextafter(threshold, 9.0F), std::nextafter(threshold, -9.0F)}) {
            values.push_back(value);
        }
    }
    for (int i = -1000; i <= 1000; ++i) values.push_back(static_cast<float>(i) * 0.0013F);
    if (values.size() % 2 == 0) values.push_back(0.1F);
    return values;
}

template <unsigned bits>
void compare_counts() {
    auto const thresholds = thresholds_of(bits);
    auto const values = probes(thresholds);
    std::vector<std::uint8_t> ours(values.size());
    std::vector<std::uint8_t> expected(values.size());
    count_below(bits, thresholds.data(), values.data(), values.size(), ours.data());
    count_below_in_loop<bits>(thresholds.data(), values.data(), values.size(), expected.data());
    EXPECT_EQ(ours, expected) << bits;
    EXPECT_EQ(expected[2], (1U << bits) - 1);
    EXPECT_EQ(expected[3], 0U);
    EXPECT_EQ(expected[0], expected[4]) << "NaN as 0";
}

TEST(TableLookup, CountsAsComparingWithAll) {
    compare_counts<1>();
    compare_counts<2>();
    compare_counts<3>();
    compare_counts<4>();
    compare_counts<5>();
}

TEST(TableLookup, BinsCountTheSame) {
    auto const thresholds = thresholds_of(4);
    ThresholdBins const bins(thresholds.data(), 15);
    ASSERT_TRUE(bins.usable);
    auto const values = probes(thresholds);
    std::vector<std::uint8_t> ours(values.size());
    std::vector<std::uint8_t> expected(values.size());
    for (float const factor : {1.0F, 0.5F, 0.0F}) {
        std::vector<float> scaled;
        for (auto const value : values) scaled.push_back(value * factor);
        count_scaled_below<4>(thresholds.data(), bins, factor, values.data(), values.size(), ours.data());
        count_below_in_loop<4>(thresholds.data(), scaled.data(), scaled.size(), expected.data());
        EXPECT_EQ(ours, expected) << factor;
    }
    std::vector<float> const close{-1, 0, 0.01F, 1};
    EXPECT_FALSE(ThresholdBins(close.data(), 4).usable) << "two in one bin";
    // Counts by a neighbouring threshold would differ.
    auto moved = thresholds;
    moved[7] = std::nextafter(moved[7], 1.0F);
    count_below_in_loop<4>(moved.data(), values.data(), values.size(), ours.data());
    count_below_in_loop<4>(thresholds.data(), values.data(), values.size(), expected.data());
    EXPECT_NE(ours, expected);
}

TEST(TableLookup, ReadsTables) {
    for (unsigned bits = 1; bits <= 8; ++bits) {
        std::vector<float> table(std::max<std::size_t>(std::size_t{1} << bits, least_table_entries));
        for (std::size_t k = 0; k < table.size(); ++k) table[k] = std::sqrt(static_cast<float>(k) + 0.1F);
        std::vector<std::uint8_t> codes;
        for (unsigned i = 0; i < 1003; ++i) codes.push_back(static_cast<std::uint8_t>(i * 37 % (1U << bits)));
        std::vector<float> ours(codes.size());
        look_up(bits, table.data(), 1.7F, codes.data(), codes.size(), ours.data());
        for (std::size_t i = 0; i < codes.size(); ++i) EXPECT_EQ(ours[i], table[codes[i]] * 1.7F) << bits;
    }
}

}  // namespace
}  // namespace kvstone
