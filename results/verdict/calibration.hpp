#pragma once
// The slow-downs that a machine can detect, found by measuring one build against itself, and by campaigns made of its
// blocks.

#include "results/verdict/record.hpp"

namespace kvstone {

/// Draws whole campaigns from the stored blocks of each test (with replacement, every block a launch of its own). It
/// counts how many campaigns of identical builds fail, with the exact upper 95% bound; and how many tests are found of
/// builds slowed by 5% and 10%, over all tests and over those whose printed detectable effect promises it. Cells that
/// were slowed for real (the settings' "slow_down", factor by id) are apart: for them it counts how often they are
/// found without further slowing. Members: campaigns, failed, failed_upper, tests, blocks, detectable_median,
/// detectable_most, slowed: [{factor, injected, found, trials, lower, promised_found, promised_trials,
/// promised_lower}]. The same evidence and seed give the same result.
Json calibrated(GateRecord const& record, int campaigns, std::uint64_t seed);

/// The same for people, in lines.
std::string calibration_text(Json const& calibration);

}  // namespace kvstone
