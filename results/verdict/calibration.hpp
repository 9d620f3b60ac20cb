#pragma once
// What a machine can see: one build measured against itself, and campaigns made of its blocks.

#include "results/verdict/record.hpp"

namespace kvstone {

/// Draws whole campaigns from the stored blocks of each test (with replacement, every block a launch of its own): how many
/// of identical builds fail, with the exact upper 95% bound, and of builds slowed by 5% and 10% how many tests are found,
/// over all tests and over those whose printed detectable effect promises it. Cells that were slowed for real (the settings'
/// "slow_down", factor by id) are apart: of them it is counted how often they are found as they are. Members: campaigns, failed,
/// failed_upper, tests, blocks, detectable_median, detectable_most, slowed: [{factor, injected, found, trials, lower,
/// promised_found, promised_trials, promised_lower}]. The same for the same evidence and seed.
Json calibrated(GateRecord const& record, int campaigns, std::uint64_t seed);

/// The same for people, in lines.
std::string calibration_text(Json const& calibration);

}  // namespace kvstone
