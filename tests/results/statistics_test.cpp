// The tests behind outcome, against enumeration, against each other and against figures from the literature.

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "results/statistics/paired_accuracy.hpp"
#include "results/statistics/signed_rank.hpp"
#include "results/statistics/two_stage.hpp"

namespace kvstone {
namespace {

/// The p of the signed-rank test from its definition: every choice of signs in turn.
double p_by_enumeration(std::vector<double> const& differences, double margin, bool midranks = true) {
    std::vector<double> values;
    for (double const d : differences)
        if (d != margin) values.push_back(d - margin);
    std::vector<double> ranks;
    for (double const value : values) {
        auto const below = std::ranges::count_if(values, [&](double v) { return std::abs(v) < std::abs(value); });
        auto const equal = std::ranges::count_if(values, [&](double v) { return std::abs(v) == std::abs(value); });
        ranks.push_back(midranks ? static_cast<double>(below) + (static_cast<double>(equal) + 1) / 2
                                 : static_cast<double>(below) + 1);
    }
    auto const sum = [&](auto const& taken) {
        double total = 0;
        for (std::size_t i = 0; i < ranks.size(); ++i)
            if (taken(i)) total += ranks[i];
        return total;
    };
    double const observed = sum([&](std::size_t i) { return values[i] > 0; });
    std::size_t reached = 0;
    for (std::size_t signs = 0; signs < std::size_t{1} << ranks.size(); ++signs)
        reached += sum([&](std::size_t i) { return (signs >> i & 1) != 0; }) >= observed ? 1 : 0;
    return static_cast<double>(reached) / std::exp2(static_cast<double>(ranks.size()));
}

TEST(SignedRankTest, EqualsFullEnumerationWithAndWithoutTies) {
    std::mt19937_64 random(1);
    bool midranks_matter = false;
    for (int k = 1; k <= 10; ++k)
        for (int trial = 0; trial < 40; ++trial) {
            std::vector<double> differences(static_cast<std::size_t>(k));
            // Half of the trials in whole numbers: ties, and differences that equal the margin.
            for (auto& d : differences)
                d = trial % 2 == 0 ? static_cast<double>(random() % 9) - 3
                                   : static_cast<double>(random() % 99991) - 4e4;
            for (double const margin : {0.0, 1.0}) {
                double const p = signed_rank_p(differences, margin);
                ASSERT_DOUBLE_EQ(p, p_by_enumeration(differences, margin)) << "k = " << k << ", trial " << trial;
                midranks_matter |= std::abs(p - p_by_enumeration(differences, margin, false)) > 1e-3;
            }
        }
    EXPECT_TRUE(midranks_matter) << "ranks without midranks would pass, too";
    EXPECT_EQ(signed_rank_p({}, 0), 1);
    EXPECT_EQ(signed_rank_p(std::vector(16, 1.0), 0), std::exp2(-16));
}

TEST(SignedRankTest, EstimateAndIntervalAreThePublishedOnes) {
    // Hollander and Wolfe, example 3.1 (Hamilton depression scale, 9 patients): estimate -0.46, 96% interval
    // -0.786 to -0.010, one-sided p 0.020.
    std::vector<double> const change{-0.952, 0.147, -1.022, -0.430, -0.620, -0.590, -0.490, 0.080, -0.010};
    auto const effect = hodges_lehmann(change, 0.96);
    EXPECT_NEAR(effect.value, -0.46, 1e-9);
    EXPECT_NEAR(*effect.low, -0.786, 1e-9);
    EXPECT_NEAR(*effect.high, -0.010, 1e-9);
    std::vector<double> improvement;
    for (double const d : change) improvement.push_back(-d);
    EXPECT_NEAR(signed_rank_p(improvement, 0), 10.0 / 512, 1e-12);
    EXPECT_FALSE(hodges_lehmann(std::vector{1.0, 2.0, 3.0}).low) << "three values bear no interval";
}

TEST(SignedRankTest, BoundsAreWhereTheTestTurns) {
    std::mt19937_64 random(2);
    for (int trial = 0; trial < 50; ++trial) {
        std::vector<double> values(8 + trial % 9);
        for (auto& v : values) v = static_cast<double>(random() % 1000003) / 1e6;
        double const alpha = trial % 2 == 0 ? 0.05 : 0.01;
        auto const bound = nth_largest_walsh_average(values, *rejecting_walsh_averages(values.size(), alpha));
        EXPECT_LE(signed_rank_p(values, bound - 1e-9), alpha);
        EXPECT_GT(signed_rank_p(values, bound + 1e-9), alpha);
        EXPECT_NEAR(*hodges_lehmann(values, 1 - 2 * alpha).low, bound, 1e-12);
    }
    EXPECT_FALSE(rejecting_walsh_averages(8, 0.003)) << "8 blocks reach 2^-8 = 0.0039 and no less";
}

TEST(ShiftTest, UnpairedIntervalIsThePublishedOneAndCoversTheTruth) {
    // Hollander and Wolfe, example 4.1 (permeability of membranes): estimate -0.305 and 95% interval -0.76 to 0.15.
    std::vector<double> const at_term{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
    std::vector<double> const early{1.15, 0.88, 0.90, 0.74, 1.21};
    auto const effect = shift_between(at_term, early);
    EXPECT_NEAR(effect.value, -0.305, 1e-9);
    EXPECT_NEAR(*effect.low, -0.76, 1e-9);
    EXPECT_NEAR(*effect.high, 0.15, 1e-9);
    EXPECT_FALSE(shift_between(std::vector{1.0}, std::vector{2.0}).low);
}

/// Largest log likelihood of the pairs where won - lost shares are `difference`, over a fine grid.
double likelihood_ratio_root(PairedItems const& items, double difference) {
    auto const n = static_cast<double>(items.items), won = static_cast<double>(items.won);
    auto const lost = static_cast<double>(items.lost);
    double best = -1e300, share = 0;
    for (int i = 1; i < 200'000; ++i) {
        double const lost_share = i * 5e-6, won_share = lost_share + difference;
        if (won_share <= 0 || lost_share + won_share >= 1) continue;
        double const log = won * std::log(won_share) + lost * std::log(lost_share) +
                           (n - won - lost) * std::log(1 - won_share - lost_share);
        if (log > best) best = log, share = lost_share;
    }
    return share;
}

TEST(AccuracyTest, ScoreTestUsesTheMostLikelyNuisanceParameter) {
    for (PairedItems const items : {PairedItems{100, 9, 4}, {500, 3, 12}, {60, 1, 1}, {1000, 40, 20}})
        for (double const margin : {0.02, 0.05, 0.1}) {
            double const lost_share = likelihood_ratio_root(items, -margin);
            auto const n = static_cast<double>(items.items);
            double const z = (static_cast<double>(items.won) - static_cast<double>(items.lost) + n * margin) /
                             std::sqrt(n * (2 * lost_share - margin * (1 + margin)));
            EXPECT_NEAR(non_inferiority_p(items, margin), std::erfc(z / std::sqrt(2.0)) / 2, 2e-4)
                << items.items << ' ' << margin;
        }
    // The interval ends where the test turns.
    auto const change = accuracy_change({200, 9, 4}, 0.9);
    EXPECT_NEAR(change.value, -0.025, 1e-12);
    EXPECT_NEAR(non_inferiority_p({200, 9, 4}, -*change.low), 0.05, 1e-6);
    EXPECT_NEAR(non_inferiority_p({200, 4, 9}, *change.high), 0.05, 1e-6);
    EXPECT_EQ(non_inferiority_p({}, 0.01), 1);
}

TEST(AccuracyTest, ALossOfTheMarginPassesInAboutOneOfTwentyTrials) {
    std::mt19937_64 random(3);
    int passed = 0, ignoring_the_margin = 0;
    constexpr int trials = 4000;
    for (int trial = 0; trial < trials; ++trial) {
        PairedItems items{400, 0, 0};
        for (int i = 0; i < 400; ++i) {
            auto const draw = random() % 1000;
            if (draw < 60) ++items.lost;               // 6% lost
            if (draw >= 60 && draw < 80) ++items.won;  // 2% won: accuracy fell by 4%
        }
        passed += non_inferiority_p(items, 0.04) <= 0.05 ? 1 : 0;
        ignoring_the_margin += non_inferiority_p(items, 0.06) <= 0.05 ? 1 : 0;
    }
    EXPECT_NEAR(passed / static_cast<double>(trials), 0.05, 0.012);
    EXPECT_GT(ignoring_the_margin / static_cast<double>(trials), 0.3) << "a margin that is too wide would go unnoticed";
}

TEST(TwoStageTest, LevelsStayReachableHoweverManyTests) {
    for (std::size_t const tests : {1UL, 20UL, 200UL, 10'000UL, 1'000'000UL}) {
        auto const rule = two_stage_for(tests);
        EXPECT_LE(static_cast<double>(tests) * rule.screen_alpha * rule.confirm_alpha, 0.01 + 1e-12) << tests;
        EXPECT_LE(std::exp2(-rule.confirm_blocks), rule.confirm_alpha / 32) << tests;
        EXPECT_TRUE(rejecting_walsh_averages(static_cast<std::size_t>(rule.confirm_blocks), rule.confirm_alpha));
    }
    EXPECT_EQ(two_stage_for(200).confirm_blocks, 16);
    EXPECT_NEAR(two_stage_for(200).confirm_alpha, 0.001, 1e-15);
    EXPECT_GT(two_stage_for(1'000'000).confirm_blocks, 16);
}

TEST(TwoStageTest, TheThreeVerdicts) {
    auto const rule = two_stage_for(20);
    std::mt19937_64 random(4);
    auto const blocks = [&](int count, double centre, double spread) {
        std::vector<double> values;
        for (int i = 0; i < count; ++i)
            values.push_back(centre + spread * (static_cast<double>(random() % 2001) / 1000 - 1));
        return values;
    };
    auto const quiet = judge_timing(rule, blocks(8, 0, 0.01), {}, 0.05);
    EXPECT_EQ(quiet.verdict, Verdict::pass);
    EXPECT_LT(quiet.detectable, 0.05);
    EXPECT_FALSE(quiet.confirm_p);
    EXPECT_EQ(judge_timing(rule, blocks(8, 0, 0.15), {}, 0.05).verdict, Verdict::inconclusive) << "too noisy to say";
    EXPECT_EQ(judge_timing(rule, blocks(7, 0, 0.01), {}, 0.05).verdict, Verdict::inconclusive) << "a block is missing";
    auto const slow = blocks(8, 0.08, 0.01);
    EXPECT_TRUE(suspected(rule, slow));
    EXPECT_EQ(judge_timing(rule, slow, {}, 0.05).verdict, Verdict::inconclusive) << "not confirmed yet";
    auto const worse = judge_timing(rule, slow, blocks(16, 0.08, 0.01), 0.05);
    EXPECT_EQ(worse.verdict, Verdict::regression);
    EXPECT_LT(*worse.slowdown.low, std::expm1(0.08));
    EXPECT_GT(*worse.slowdown.high, std::expm1(0.08));
    EXPECT_EQ(judge_timing(rule, slow, blocks(16, 0, 0.01), 0.05).verdict, Verdict::pass) << "fresh blocks deny it";
    EXPECT_NEAR(block_effect({100, 104}, {110, 114.4}), std::log(1.1), 1e-12);
}

}  // namespace
}  // namespace kvstone
