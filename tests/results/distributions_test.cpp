// Ranks, tails and bounds against published tables, and against sums of whole numbers that were added up exactly.

#include "results/statistics/distributions.hpp"

#include <cmath>
#include <numeric>

#include <gtest/gtest.h>

#include "results/statistics/median.hpp"
#include "results/statistics/share.hpp"

namespace kvstone {
namespace {

struct Rank {
    std::uint64_t n;
    std::uint64_t rank;
};
// To 100: Conover, Practical Nonparametric Statistics, table A3 (the sign test's, k - 1 at 2.5% on either side). Beyond:
// the largest k with C(n, 0) + ... + C(n, k - 1) <= 0.025 x 2^n in whole numbers.
constexpr Rank ranks[] = {{5, 0},      {6, 1},      {10, 2},     {20, 6},        {30, 10},
                          {50, 18},    {100, 40},   {500, 228},  {1000, 469},    {1074, 505},
                          {1075, 505}, {1076, 506}, {2000, 956}, {10'000, 4902}, {100'000, 49'690}};

TEST(DistributionsTest, RanksOfTheMediansIntervalAreThePublishedOnes) {
    for (auto const [n, rank] : ranks) EXPECT_EQ(binomial_rank(n, 0.025), rank) << n;
    EXPECT_EQ(binomial_rank(0, 0.025), 0U);
    EXPECT_EQ(binomial_rank(1, 0.025), 0U);
}

/// 2^-1075 is 0 in double precision: an interval made from it has no width.
TEST(DistributionsTest, TheIntervalOfManyProcessesHasAWidth) {
    for (auto const [n, rank] : ranks) {
        std::vector<double> values(n);
        std::iota(values.begin(), values.end(), 1.0);
        auto const found = median_estimate_of_sorted(values);
        EXPECT_EQ(found.value, static_cast<double>(n + 1) / 2);
        EXPECT_EQ(found.low.has_value(), rank > 0) << n;
        if (rank == 0) continue;
        EXPECT_EQ(*found.low, static_cast<double>(rank)) << n;
        EXPECT_EQ(*found.high, static_cast<double>(n + 1 - rank)) << n;
    }
}

TEST(DistributionsTest, TheSignTestsPIsExact) {
    struct Row {
        std::uint64_t one, other;
        double p;
    };
    // The first is the example of R's exact2x2 (Fay, Biostatistics 11, 2010): 0.06543; the rest were added up exactly.
    for (auto const [one, other, p] :
         {Row{9, 2, 134.0 / 2048}, Row{5, 0, 0.0625}, Row{6, 0, 0.03125}, Row{1, 9, 22.0 / 1024}, Row{3, 3, 1},
          Row{0, 0, 1}, Row{121, 59, 4.43444926375517666e-6}, Row{600, 500, 0.0028195449914364277},
          Row{540, 460, 0.012444146277171779}, Row{5100, 4900, 0.046585527704947389},
          Row{49'700, 50'300, 0.058197353110193746}}) {
        EXPECT_NEAR(sign_test_p(one, other) / p, 1, 1e-11) << one << ' ' << other;
        EXPECT_EQ(sign_test_p(one, other), sign_test_p(other, one));
    }
}

TEST(DistributionsTest, BoundsOfSharesAreThePublishedOnes) {
    // Clopper and Pearson's 95% interval of 10 in 100: 0.0490 to 0.1762. With nothing found in n: 1 - tail^(1/n).
    EXPECT_NEAR(share_at_most(10, 100, 0.025), 0.1762, 5e-5);
    EXPECT_NEAR(1 - share_at_most(90, 100, 0.025), 0.0490, 5e-5);
    for (std::uint64_t const n : {1, 30, 1000, 100'000})
        EXPECT_NEAR(share_at_most(0, n, 0.05) / -std::expm1(std::log(0.05) / static_cast<double>(n)), 1, 1e-10) << n;
    EXPECT_EQ(share_at_most(7, 7, 0.05), 1);
    for (std::uint64_t const found : {1, 100, 49'000})
        EXPECT_NEAR(binomial_at_most(found, 100'000, share_at_most(found, 100'000, 0.05)), 0.05, 1e-9) << found;
}

TEST(DistributionsTest, QuantilesOfTheNormalAreThePublishedOnes) {
    EXPECT_NEAR(normal_quantile_above(0.025), 1.959963984540054, 1e-14);
    EXPECT_NEAR(normal_quantile_above(0.05), 1.6448536269514722, 1e-14);
    EXPECT_NEAR(normal_quantile_above(0.8), -0.8416212335729143, 1e-14);
    EXPECT_NEAR(normal_above(1.959963984540054), 0.025, 1e-15);
    EXPECT_NEAR(normal_above(10) / 7.619853024160527e-24, 1, 1e-10);
    EXPECT_EQ(normal_above(INFINITY), 0);
}

TEST(DistributionsTest, WilsonsIntervalIsThePublishedOne) {
    // Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 is 0.2553 to 0.3662, 0 of 20 is 0 to 0.1611.
    auto const some = wilson_interval(81.0 / 263, 263), none = wilson_interval(0, 20);
    EXPECT_NEAR(some.low, 0.2553, 5e-5);
    EXPECT_NEAR(some.high, 0.3662, 5e-5);
    EXPECT_EQ(none.low, 0);
    EXPECT_NEAR(none.high, 0.1611, 5e-5);
}

}  // namespace
}  // namespace kvstone
