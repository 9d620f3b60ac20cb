// Scores of tokens beside long double, over a vocabulary of the size that models have.

#include "harness/workloads/model/token_score.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

constexpr std::size_t vocabulary = 49'153;  // one more than whole vectors

/// Logits of about the spread that models have; `noise` is a codec's part.
struct Pair {
    explicit Pair(unsigned seed, float noise) : baseline(vocabulary), logits(vocabulary) {
        std::mt19937 random(seed);
        std::normal_distribution<float> normal;
        for (std::size_t i = 0; i < vocabulary; ++i) {
            baseline[i] = 3 * normal(random) + (i % 5003 == 7 ? 18.F : 0.F);
            logits[i] = baseline[i] + noise * normal(random);
        }
    }
    std::vector<float> baseline, logits;
};

template <class Real>
Real log_sum(std::vector<float> const& logits) {
    Real const most = *std::ranges::max_element(logits);
    Real sum = 0;
    for (auto const logit : logits) sum += std::exp(static_cast<Real>(logit) - most);
    return most + std::log(sum);
}
template <class Real>
Real divergence(Pair const& pair) {
    auto const theirs = log_sum<Real>(pair.baseline);
    auto const ours = log_sum<Real>(pair.logits);
    Real sum = 0;
    for (std::size_t i = 0; i < vocabulary; ++i) {
        Real const log_p = static_cast<Real>(pair.baseline[i]) - theirs;
        sum += std::exp(log_p) * (log_p - (static_cast<Real>(pair.logits[i]) - ours));
    }
    return sum;
}

TEST(TokenScore, IsThatOfLongDoubleToTwelveDigits) {
    for (unsigned seed = 0; seed < 4; ++seed) {
        for (float const noise : {1e-3F, 0.1F, 2.F}) {
            Pair const pair(seed, noise);
            auto const token = static_cast<Token>(1000 + seed);
            auto const score = compare_logits(pair.baseline, pair.logits, token);
            auto const nll = log_sum<long double>(pair.logits) - static_cast<long double>(pair.logits[1000 + seed]);
            auto const wanted = divergence<long double>(pair);
            EXPECT_NEAR(score.nll, static_cast<double>(nll), 1e-12);
            EXPECT_NEAR(score.kld, static_cast<double>(wanted), 1e-12 + 1e-12 * static_cast<double>(wanted)) << noise;
            EXPECT_GT(std::abs(static_cast<double>(divergence<float>(pair)) - static_cast<double>(wanted)), 1e-9)
                << "single precision is told apart";
            EXPECT_EQ(log_probability(pair.logits, token), -score.nll);
        }
    }
}

TEST(TokenScore, OfEqualLogitsIsExactlyNothing) {
    Pair const pair(1, 0);
    auto const score = compare_logits(pair.baseline, pair.logits, 5);
    EXPECT_EQ(score.kld, 0);
    EXPECT_EQ(score.nll, score.baseline_nll);
    auto changed = pair.logits;
    changed[vocabulary - 1] += 15;  // the last, behind whole vectors
    EXPECT_GT(compare_logits(pair.baseline, changed, 5).kld, 0);
}

TEST(TokenScore, TheFirstOfEqualTopsIsTheTop) {
    for (std::size_t const at : {std::size_t{0}, std::size_t{17}, vocabulary - 1}) {
        std::vector<float> logits(vocabulary, -2);
        logits[at] = 3;
        EXPECT_EQ(most_likely(logits), static_cast<Token>(at));
        logits[vocabulary - 1] = 3;
        EXPECT_EQ(most_likely(logits), static_cast<Token>(at));
        EXPECT_EQ(sum_logits(logits).top, static_cast<Token>(at));
    }
}

TEST(TokenScore, WhatIsNoNumberIsNotLostOnTheWay) {
    auto const nan = std::numeric_limits<float>::quiet_NaN();
    auto const infinity = std::numeric_limits<float>::infinity();
    Pair const pair(2, 0.1F);
    for (auto const bad : {nan, infinity}) {
        for (std::size_t const at : {std::size_t{3}, vocabulary - 1}) {
            auto logits = pair.logits;
            logits[at] = bad;
            auto const score = compare_logits(pair.baseline, logits, 100);
            EXPECT_FALSE(std::isfinite(score.nll)) << at;
            EXPECT_FALSE(std::isfinite(score.kld)) << at;
            EXPECT_TRUE(std::isfinite(score.baseline_nll));
            EXPECT_TRUE(std::isnan(sum_logits(logits).log_sum));
        }
    }
    // An impossible token stays impossible: only the token itself then has no finite likelihood.
    auto logits = pair.logits;
    logits[100] = -infinity;
    EXPECT_TRUE(std::isfinite(compare_logits(pair.baseline, logits, 99).nll));
    EXPECT_EQ(compare_logits(pair.baseline, logits, 100).nll, infinity);
    EXPECT_TRUE(std::isnan(sum_logits(std::vector<float>(64, -infinity)).log_sum));
}

}  // namespace
}  // namespace kvstone
