#pragma once
// The verdict on a timing: two stages, a budget of errors over a whole campaign, and what could have been seen.
//
// The unit of sampling is a process. Two builds take turns on one node in blocks ABBA or BAAB, which one by chance; of
// each block comes one number d = log(median B) - log(median A), so that whatever drifts evenly within a block cancels.
// Stage one looks at every test with few blocks, stage two looks only at those that stage one suspects, with fresh blocks
// of which each is a launch of its own, because what one launch does to a build (where its memory lies) is a bias that
// more blocks of the same launch only make surer of.

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "results/statistics/signed_rank.hpp"
#include "results/statistics/verdict.hpp"

namespace kvstone {

/// How many blocks, and how sure.
struct TwoStage {
    double margin = 0.02;         ///< a slow-down of so much is no regression
    double screen_alpha = 0.05;   ///< chance that stage one suspects a test at the margin
    double confirm_alpha = 0.01;  ///< the same of stage two
    int screen_blocks = 8;
    int confirm_blocks = 16;
};

/// For a campaign of so many tests, of which identical builds fail any with probability `campaign_alpha`:
/// confirm_alpha = campaign_alpha / (tests x screen_alpha), at most screen_alpha, and as many confirming blocks as reach
/// that level with six to spare (n blocks can reach 2^-n), 16 at least. Requires tests >= 1.
TwoStage two_stage_for(std::size_t tests, double campaign_alpha = 0.01, double margin = 0.02);

/// log(median B) - log(median A) of one block, over medians of its processes. Requires one value each, above 0.
double block_effect(std::vector<double> a, std::vector<double> b);

/// True where the first stage suspects a slow-down beyond the margin.
bool suspected(TwoStage const& rule, std::span<double const> screen);

/// True where the second stage confirms it.
bool confirmed(TwoStage const& rule, std::span<double const> confirm);

/// The smallest true slow-down (0.05: 5% slower) that both stages would find in 90% of repetitions, with blocks that
/// scatter as the given ones did: 1,000 resamples of their residuals around the centre, for each of which the shift that
/// makes both tests reject is known exactly from Walsh averages; of those the 90th percentile. So few blocks may scatter
/// less than their machine does: residuals are widened to the upper 90% confidence end of a normal sample's deviation.
/// Always the same for the same blocks. Infinite below 4 blocks.
double detectable_slowdown(TwoStage const& rule, std::span<double const> blocks);

struct TimingVerdict {
    Verdict verdict = Verdict::inconclusive;  ///< pass, inconclusive or regression
    double screen_p = 1;
    std::optional<double> confirm_p = {};  ///< nothing: not suspected, or not confirmed yet
    Estimate slowdown = {};                ///< 0.05: B takes 5% longer; over the confirming blocks where there are any
    double detectable = 0;                 ///< see detectable_slowdown()
};

/// Regression where both stages reject; else inconclusive where a slow-down of `target` could have gone unseen, or where
/// blocks are missing; else pass. `confirm` is empty where the first stage did not suspect anything.
TimingVerdict judge_timing(TwoStage const& rule, std::span<double const> screen, std::span<double const> confirm,
                           double target);

}  // namespace kvstone
