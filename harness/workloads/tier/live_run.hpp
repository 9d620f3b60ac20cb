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

/// Sends the trace through two tiers of real entries, verifies every hit, and where times are taken also times the ways
/// to the disk. Adds all figures that need real bytes. Throws WrongEntry where a hit has other bytes than were stored,
/// NotApplicable where the backend is not on the host, and where a segment has no room for an entry.
TierReplayResult run_live(AttemptRequest const& request, TierSettings const& settings, RequestTrace const& trace,
                          TierRules const& rules, TierEntryBytes const& entry, Measurement& measurement);

}  // namespace kvstone
