#pragma once

#include "harness/attempts/attempt.hpp"
#include "harness/workloads/tier/tier_options.hpp"
#include "harness/workloads/tier/tier_replay.hpp"

namespace kvstone {

/// Bytes of a block in each tier.
struct TierEntryBytes {
    std::uint64_t raw = 0;
    std::uint64_t hot = 0;
    std::uint64_t cold = 0;
};

/// Sends the trace through two tiers of real entries, verifies every hit, and where times are taken times the ways to the disk.
/// Adds all figures that books alone do not have. Throws WrongEntry where a hit gave something else than was stored,
/// NotApplicable where the backend is no host's and where a segment has no room for an entry.
TierReplayResult run_live(AttemptRequest const& request, TierSettings const& settings, RequestTrace const& trace,
                          TierRules const& rules, TierEntryBytes const& entry, Measurement& measurement);

}  // namespace kvstone
