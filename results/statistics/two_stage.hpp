#pragma once
// The verdict on a timing: two stages, a budget of errors over a whole campaign, and the smallest slow-down that it
// could find.
//
// The unit of sampling is a process. Two builds take turns on one node in blocks ABBA or BAAB, chosen by chance. Each
// block gives one number d = log(median B) - log(median A): a drift that is even within a block cancels. Stage one
// looks at every test with few blocks. Stage two looks only at tests that stage one suspects, with fresh blocks, each
// of which is a launch of its own: a launch gives a build a bias (where its memory lies), which more blocks of the same
// launch would not average out.

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "results/statistics/signed_rank.hpp"
#include "results/statistics/verdict.hpp"

namespace kvstone {

/// Numbers of blocks, and levels of error.
struct TwoStage {
    double margin = 0.02;         ///< a slow-down of up to this share is no regression
    double screen_alpha = 0.05;   ///< chance that stage one suspects a test at the margin
    double confirm_alpha = 0.01;  ///< the same for stage two
    int screen_blocks = 8;
    int confirm_blocks = 16;
};

/// For a campaign of `tests` tests, of which identical builds fail any with probability `campaign_alpha`: confirm_alpha
/// = campaign_alpha / (tests x screen_alpha), at most screen_alpha, and as many confirming blocks as reach that level
/// with six to spare (n blocks can reach 2^-n), 16 at least. Requires tests >= 1.
TwoStage two_stage_for(std::size_t tests, double campaign_alpha = 0.01, double margin = 0.02);

/// log(median B) - log(median A) of one block, over medians of its processes. Requires one value each, above 0.
double block_effect(std::vector<double> a, std::vector<double> b);

/// True where the first stage suspects a slow-down beyond the margin.
bool suspected(TwoStage const& rule, std::span<double const> screen);

/// True where the second stage confirms it.
bool confirmed(TwoStage const& rule, std::span<double const> confirm);

/// Upper 90% confidence end of a standard deviation over the root mean square of n residuals of a normal sample: the root
/// of n over the 10th percentile of chi-square with n - 1 degrees, by Wilson and Hilferty. Requires n >= 2.
double upper_deviation(double n);

/// The smallest true slow-down (0.05: 5% slower) that both stages would find in 90% of repetitions, with blocks that
/// scatter like the given ones. It draws 1,000 resamples of the blocks' residuals around the centre. For each, Walsh
/// averages give the exact shift that makes both tests reject; the result is the 90th percentile of these shifts. Few
/// blocks may scatter less than their machine does, so residuals are widened to the upper 90% confidence end of a
/// normal sample's deviation. The same blocks always give the same result. Infinite below 4 blocks.
double detectable_slowdown(TwoStage const& rule, std::span<double const> blocks);

struct TimingVerdict {
    Verdict verdict = Verdict::inconclusive;  ///< pass, inconclusive or regression
    double screen_p = 1;
    std::optional<double> confirm_p = {};  ///< empty: not suspected, or not confirmed yet
    Estimate slowdown = {};                ///< 0.05: B takes 5% longer; over the confirming blocks, if any
    double detectable = 0;                 ///< see detectable_slowdown()
};

/// Regression where both stages reject; else inconclusive where a slow-down of `target` could have gone unseen, or
/// where blocks are missing; else pass. `confirm` is empty where the first stage did not suspect a slow-down.
TimingVerdict judge_timing(TwoStage const& rule, std::span<double const> screen, std::span<double const> confirm,
                           double target);

}  // namespace kvstone
