// The rule over nights: its levels by hand, its promise on simulated years, and rules that do not keep it.
// KVSTONE_MONTE_CARLO=N multiplies the years.

#include "results/statistics/night_rule.hpp"

#include <cmath>
#include <cstdlib>
#include <numbers>

#include <gmock/gmock.h>

#include "results/statistics/night_simulation.hpp"
#include "results/statistics/signed_rank.hpp"

namespace kvstone {
namespace {

std::vector<NightValue> nights(std::vector<double> const& logs) {
    std::vector<NightValue> values;
    for (double const log : logs) values.push_back({log, true});
    return values;
}

/// So many good nights that are all different, within 0.6%, and `recent` that lie above them by `above`.
std::vector<double> separated(std::size_t good, std::size_t recent, double above) {
    std::vector<double> logs;
    for (std::size_t i = 0; i < good; ++i) logs.push_back(0.0001 * static_cast<double>(i * 7 % good));
    for (std::size_t i = 0; i < recent; ++i) logs.push_back(above + 0.0001 * static_cast<double>(i));
    return logs;
}

double choose(double n, double k) { return k == 0 ? 1 : choose(n - 1, k - 1) * n / k; }

TEST(RankSum, IsTheCountOfOrders) {
    // 2 of 4: the 6 orders have U = 0, 1, 2, 2, 3, 4.
    auto const tail = rank_sum_tail(2, 2);
    ASSERT_EQ(tail.size(), 5U);
    for (auto const& [u, orders] : {std::pair{0, 6}, {1, 5}, {2, 4}, {3, 2}, {4, 1}})
        EXPECT_DOUBLE_EQ(tail[static_cast<std::size_t>(u)], orders / 6.0) << u;
    EXPECT_NEAR(rank_sum_tail(60, 6).back() * choose(66, 6), 1, 1e-12) << "one order of all";
}

TEST(NightRule, DividesTheYearsBudget) {
    // 1% a year over 365 nights and 400 tests.
    NightRule const rule(400, 0.01, 0.02);
    EXPECT_DOUBLE_EQ(rule.level(), 0.01 / 146000);
    // 1 / C(b + 14, 14) has to be at most a twelfth of the level, 5.7e-9: C(29, 14) = 77558760 is too few, C(31, 14) =
    // 265182525 is enough, and C(30, 14) = 145422675 is not.
    EXPECT_EQ(rule.needed(), 17U);
    EXPECT_GT(NightRule(4000, 0.01, 0.02).needed(), rule.needed());
}

TEST(NightRule, FindsAClearChangeWhenItsOrdersAreRareEnough) {
    // 5% a year and one test: a level of 1.37e-4. Beside 20 good nights, J nights have C(20 + J, J) orders, of which the
    // twelfth part of the level, 1.14e-5, takes 87600: 10626 for 4, 53130 for 5, 230230 for 6 nights.
    NightRule rule(1, 0.05, 0.02, 20);
    std::size_t first = 0;
    for (std::size_t recent = 1; recent <= 10 && first == 0; ++recent)
        if (rule.alarm(separated(60, recent, 0.1)) > 0) first = recent;
    EXPECT_EQ(first, 6U);
    auto const verdict = rule.judge(nights(separated(60, 6, 0.1)), 0.05);
    EXPECT_EQ(verdict.verdict, Verdict::regression);
    EXPECT_EQ(verdict.nights, 6U);
    EXPECT_EQ(verdict.good, 20U);
    // Of the 12 lengths 6, 7, 8, 10, 14, 20 and 28 can reach the level.
    EXPECT_NEAR(*verdict.p, 7 / choose(26, 6), 1e-12);
    EXPECT_NEAR(verdict.change.value, 0.1, 0.01);
}

TEST(NightRule, TheMarginIsNoRegression) {
    NightRule rule(1, 0.05, 0.02, 20);
    EXPECT_EQ(rule.alarm(separated(60, 14, std::log1p(0.02) - 0.001)), 0U);
    EXPECT_GT(rule.alarm(separated(60, 14, std::log1p(0.02) + 0.006)), 0U);
    EXPECT_EQ(rule.alarm(separated(60, 14, -0.1)), 0U) << "quicker";
}

TEST(NightRule, ANightAfterTheRepairIsNoRegression) {
    NightRule rule(1, 0.05, 0.02, 20);
    auto logs = separated(60, 28, 0.1);
    auto values = nights(logs);
    for (std::size_t i = 60; i < values.size(); ++i) values[i].good = false;
    ASSERT_EQ(rule.judge(values, 0.05).verdict, Verdict::regression);
    values.push_back({0.0003, true});
    EXPECT_EQ(rule.judge(values, 0.05).verdict, Verdict::pass);
    logs.push_back(0.0003);
    EXPECT_EQ(rule.alarm(logs), 0U);
}

TEST(NightRule, BadNightsAreNotComparedWith) {
    NightRule rule(1, 0.05, 0.02, 20);
    // A regression that stays: its nights, once known, do not become the level that others are compared with.
    auto values = nights(separated(60, 40, 0.1));
    EXPECT_EQ(rule.judge(values, 0.05).verdict, Verdict::pass) << "as if it had been accepted";
    for (std::size_t i = 60; i < values.size(); ++i) values[i].good = false;
    EXPECT_EQ(rule.judge(values, 0.05).verdict, Verdict::regression);
}

TEST(NightRule, SaysWhatItCannotSee) {
    NightRule rule(400, 0.01, 0.02);
    auto const few = rule.judge(nights(separated(3, 1, 0.0)), 0.05);
    EXPECT_EQ(few.verdict, Verdict::inconclusive);
    EXPECT_EQ(few.good, 3U);
    EXPECT_EQ(few.needed, 17U);
    EXPECT_EQ(rule.judge(nights({0.0}), 0.05).verdict, Verdict::inconclusive) << "the first night";
    // Nights that scatter by 6% hide 5% for a month; nights of 0.5% do not.
    std::mt19937_64 random(1);
    for (auto const& [deviation, verdict] : {std::pair{0.06, Verdict::inconclusive}, {0.005, Verdict::pass}}) {
        auto const night = nights_of({.name = {}, .deviation = deviation}, random);
        std::vector<double> logs;
        while (logs.size() < 61) logs.push_back(night());
        logs.back() = 0;
        auto const seen = rule.judge(nights(logs), 0.05);
        EXPECT_EQ(seen.verdict, verdict) << deviation;
        EXPECT_EQ(seen.delay > 0, verdict == Verdict::pass);
    }
    // One night beyond all others is told, and fails nothing.
    auto logs = separated(60, 1, 0.2);
    EXPECT_EQ(rule.judge(nights(logs), 0.05).verdict, Verdict::advisory);
}

TEST(NightComponents, AreTheNightsAndTheirProcesses) {
    // Medians 1, 2 and 6: a median absolute deviation of 1, a variance of 1.4826^2. Two processes at -+1 have the variance
    // 2, over (7 / 9)^3, the median of chi-square with one degree; their mean has half of that.
    double const all = 1.4826 * 1.4826, own = 2 / std::pow(7.0 / 9, 3) / 2;
    std::vector<std::vector<double>> nights{{0, 2}, {1, 3}, {5, 7}};
    auto const parts = night_components(nights);
    ASSERT_TRUE(parts);
    EXPECT_DOUBLE_EQ(parts->within, std::sqrt(own));
    EXPECT_DOUBLE_EQ(parts->between, std::sqrt(all - own));
    nights.back() = {-1000, 1012};  // one odd process
    EXPECT_DOUBLE_EQ(night_components(nights)->within, std::sqrt(own));
    // Three at -1, 0, +1 have the variance 1, two degrees, and a median of pi / 2 thirds of that.
    auto const three = night_components(std::vector<std::vector<double>>{{0, 1, 2}, {1, 2, 3}, {5, 6, 7}});
    EXPECT_DOUBLE_EQ(three->within, std::sqrt(1 / std::pow(8.0 / 9, 3) * std::numbers::pi / 2 / 3));
    EXPECT_DOUBLE_EQ(night_components(std::vector<std::vector<double>>{{-2, 4}, {-1, 5}, {3, 9}})->between, 0)
        << "the processes explain it all";
    EXPECT_FALSE(night_components(std::vector<std::vector<double>>{{1}, {2}, {6}})) << "one process tells nothing";
    EXPECT_FALSE(night_components(std::vector<std::vector<double>>{{1, 2}}));
}

std::uint64_t longer() {
    char const* const given = std::getenv("KVSTONE_MONTE_CARLO");
    return given == nullptr ? 1 : static_cast<std::uint64_t>(std::max(1, std::atoi(given)));
}

/// One test alone, whose budget of a year is large enough to be counted in some hundred years.
constexpr double large_budget = 0.2;

TEST(NightYears, AlarmNoMoreOftenThanPromised) {
    std::mt19937_64 random(20260714);
    for (auto const& noise : night_noises()) {
        if (noise.correlation > 0 || noise.walk > 0) continue;  // not exchangeable: nothing is promised
        NightRule rule(1, large_budget, 0);                     // no margin: all of the budget is at stake
        auto const years = alarmed_years(rule, [&] { return nights_of(noise, random); }, 300 * longer());
        RecordProperty(noise.name, std::to_string(years.share()));
        EXPECT_LE(years.lower_bound(), large_budget) << noise.name;
    }
}

TEST(NightYears, TheMarginHoldsALittleDriftToo) {
    std::mt19937_64 random(3);
    NightRule rule(1, large_budget, 0.02);
    for (auto const& noise :
         {NightNoise{.name = "lasting", .correlation = 0.5}, NightNoise{.name = "drift", .walk = 0.0005}})
        EXPECT_LE(alarmed_years(
                      rule, [&] { return nights_of(noise, random); }, 300 * longer())
                      .upper_bound(),
                  large_budget)
            << noise.name;
}

TEST(NightYears, ChangesAreFoundAfterSoManyNights) {
    // 200 cells and two rules, 1% a year, 1.2% from night to night.
    std::mt19937_64 random(5);
    NightRule rule(400, 0.01, 0.02);
    auto const normal = [&] { return nights_of(night_noises()[0], random); };
    auto const large = delays_of(rule, normal, 0.10, 200);
    // Beside 60 good nights, 7 have C(67, 7) = 869648208 orders and 6 have 90858768: with 6 of a twelfth of 6.8e-8 none fits.
    EXPECT_EQ(large.found, 200U);
    EXPECT_EQ(large.median, 7U);
    EXPECT_LE(large.nine_of_ten, 8U);
    auto const middle = delays_of(rule, normal, 0.05, 200);
    EXPECT_GE(middle.found, 190U);
    EXPECT_GT(middle.median, large.median);
    EXPECT_EQ(delays_of(rule, normal, 0.02, 50).found, 0U) << "the margin";
}

TEST(NightYears, RulesThatForgetTheNightFailEveryYear) {
    // Mutant: tonight's 9 processes against last night's, as if a night added nothing.
    std::mt19937_64 random(11);
    std::normal_distribution<double> normal;
    int alarmed = 0;
    for (int year = 0; year < 20; ++year) {
        bool any = false;
        std::vector<double> before;
        for (int night = 0; night <= nights_per_year && !any; ++night) {
            double const level = 0.012 * normal(random);
            std::vector<double> now;
            for (int i = 0; i < 9; ++i) now.push_back(level + 0.004 * normal(random));
            if (!before.empty()) {
                std::size_t pairs = 0;
                for (double const a : before)
                    for (double const b : now) pairs += b > a ? 1U : 0U;
                any = rank_sum_tail(9, 9)[pairs] <= large_budget / nights_per_year;
            }
            before = std::move(now);
        }
        alarmed += any ? 1 : 0;
    }
    EXPECT_EQ(alarmed, 20);
    // Mutant: the same rule at the level of a night, in place of a year's.
    NightRule rule(1, large_budget * nights_per_year, 0);
    auto const years = alarmed_years(rule, [&] { return nights_of(night_noises()[0], random); }, 30);
    EXPECT_GT(years.lower_bound(), 0.5);
}

/// Years in which a CUSUM of normal scores alarms: each night against mean and deviation of the 60 before it, with the
/// reference value 1/2. Its threshold is an e-detector's: a sum above it has a likelihood ratio of 365 x 400 / 1%, which
/// normal nights reach in at most 1% of years of any of 400 tests.
Share cusum_years(NightNoise const& noise, std::mt19937_64& random, std::uint64_t years) {
    Share alarmed{0, years};
    double const threshold = std::log(nights_per_year * 400 / 0.01);
    constexpr int before = 60;
    for (std::uint64_t year = 0; year < years; ++year) {
        auto const night = nights_of(noise, random);
        std::vector<double> logs;
        while (logs.size() < before) logs.push_back(night());
        double sum = 0;
        for (int i = 0; i < nights_per_year && sum <= threshold; ++i) {
            double mean = 0, squares = 0;
            for (auto it = logs.end() - before; it != logs.end(); ++it) mean += *it / before;
            for (auto it = logs.end() - before; it != logs.end(); ++it) squares += (*it - mean) * (*it - mean);
            logs.push_back(night());
            sum = std::max(0.0, sum + (logs.back() - mean) / std::sqrt(squares / (before - 1)) - 0.5);
        }
        alarmed.found += sum > threshold ? 1U : 0U;
    }
    return alarmed;
}

TEST(NightYears, ACusumOfNormalScoresKeepsItsPromiseForNormalTailsAlone) {
    std::mt19937_64 random(17);
    auto const all = night_noises();
    EXPECT_EQ(cusum_years(all[0], random, 200).found, 0U);
    ASSERT_EQ(all[1].name, "heavy tails");
    EXPECT_GT(cusum_years(all[1], random, 200).lower_bound(), 0.05) << "of one timing, of 400";
    NightRule rule(400, 0.01, 0.02);
    EXPECT_EQ(alarmed_years(rule, [&] { return nights_of(all[1], random); }, 200).found, 0U);
}

TEST(NightSimulation, IsOfTheNoiseThatItNames) {
    std::mt19937_64 random(2);
    auto const deviation = [&](NightNoise const& noise) {
        auto const night = nights_of(noise, random);
        double sum = 0, squares = 0;
        constexpr int n = 20000;
        for (int i = 0; i < n; ++i) {
            double const log = night();
            sum += log;
            squares += log * log;
        }
        return std::sqrt(squares / n - sum * sum / n / n);
    };
    EXPECT_NEAR(deviation({.name = {}}), 0.012, 0.012 * 3 / std::sqrt(2.0 * 20000));
    // 7 nights in ten of the one before are kept: (1 + .49) / (1 - .49) of the draws' squares tell of one another.
    EXPECT_NEAR(deviation({.name = {}, .correlation = 0.7}), 0.012, 0.012 * 3 * std::sqrt(1.49 / 0.51 / 2 / 20000));
    // A share of 1% at log 1.1: the variance grows by 0.01 x 0.99 x log(1.1)^2.
    double const spiky = std::sqrt(0.012 * 0.012 + 0.0099 * std::log(1.1) * std::log(1.1));
    EXPECT_NEAR(deviation({.name = {}, .spikes = 0.01}), spiky, 0.05 * spiky);
    auto const again = nights_again({1, 2, 3}, random);
    double const first = again();
    EXPECT_DOUBLE_EQ(again(), first == 3 ? 1 : first + 1) << "a week at a time";
}

}  // namespace
}  // namespace kvstone
