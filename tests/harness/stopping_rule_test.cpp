#include "harness/workloads/stopping_rule.hpp"

#include <numeric>

#include <gtest/gtest.h>

#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

std::vector<double> one_to(std::size_t n) {
    std::vector<double> samples(n);
    std::iota(samples.begin(), samples.end(), 1.0);
    return samples;
}

TEST(Median, TakesTheMiddleOrTheMeanOfTwo) {
    EXPECT_EQ(median({3, 1, 2}), 2);
    EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
    EXPECT_EQ(median({7}), 7);
}

// Ranks from tables of the sign test (k - 1 is the two-sided 5% critical value): n=6: 1, 9: 2, 12: 3, 15: 4, 20: 6,
// 25: 8, 50: 18, 100: 40.
TEST(MedianInterval, HasTheRanksOfTheBinomial) {
    struct Row {
        std::size_t n;
        double rank;
    };
    for (auto const [n, rank] : {Row{6, 1}, Row{8, 1}, Row{9, 2}, Row{11, 2}, Row{12, 3}, Row{15, 4}, Row{20, 6},
                                 Row{25, 8}, Row{50, 18}, Row{100, 40}}) {
        auto const interval = median_interval(one_to(n));
        ASSERT_TRUE(interval) << n;
        EXPECT_EQ(interval->low, rank) << n;
        EXPECT_EQ(interval->high, static_cast<double>(n) + 1 - rank) << n;
    }
}

TEST(MedianInterval, NeedsSixSamples) {
    EXPECT_FALSE(median_interval(one_to(5)));  // 2 / 2^5 = 6.25% would lie outside
    EXPECT_FALSE(median_interval(one_to(1)));
}

/// Probability that the interval of n samples covers the median, from the exact binomial in long double.
long double coverage(std::size_t n, double rank) {
    long double term = 1, below = 0;
    for (std::size_t i = 0; i < n; ++i) term /= 2;
    for (std::size_t k = 0; static_cast<double>(k) < rank; ++k) {
        below += term;
        term = term * static_cast<long double>(n - k) / static_cast<long double>(k + 1);
    }
    return 1 - 2 * below;
}

TEST(MedianInterval, CoversAtLeast95PercentAndNoNarrowerOneDoes) {
    for (std::size_t n = 6; n <= 1000; ++n) {
        auto const rank = median_interval(one_to(n))->low;
        EXPECT_GE(coverage(n, rank), 0.95L) << n;
        EXPECT_LT(coverage(n, rank + 1), 0.95L) << n;  // the mutant: one rank further in
    }
}

int passes_until_done(MedianIntervalRule rule, std::vector<double> const& pattern_ns) {
    int passes = 0;
    for (; !rule.done() && passes < 100'000; ++passes)
        rule.add(pattern_ns[static_cast<std::size_t>(passes) % pattern_ns.size()]);
    return passes;
}

TEST(StoppingRule, SteadyTimesStopAtWhatWasAskedFor) {
    EXPECT_EQ(passes_until_done({10, 0}, {1e6}), 10);
    EXPECT_EQ(passes_until_done({3, 0.0095}, {1e6}), 10);    // time, not repetitions, and six for the interval
    EXPECT_EQ(passes_until_done({1, 0.0030001}, {1e6}), 6);  // no interval before
}

TEST(StoppingRule, ARepetitionOfOneIsLegal) {
    EXPECT_EQ(passes_until_done({1, 0}, {1e6}), 1);
    EXPECT_EQ(passes_until_done({1, 0.3}, {10e9}), 1);  // one long pass is beyond the cap already
}

TEST(StoppingRule, UnsteadyTimesGoOnToACap) {
    EXPECT_EQ(passes_until_done({5, 0.002}, {1e6, 2e6}), 6);        // 4 x 2 ms in sum
    EXPECT_EQ(passes_until_done({5, 10}, {1e6, 50e6}), 1000);       // passes: 25.5 s in sum are no cap
    EXPECT_LT(passes_until_done({5, 0.02}, {1.00e6, 1.01e6}), 25);  // within 2%: at once
    EXPECT_GT(passes_until_done({5, 0.02}, {1.00e6, 1.10e6}), 25);  // not within 2%
}

}  // namespace
}  // namespace kvstone
