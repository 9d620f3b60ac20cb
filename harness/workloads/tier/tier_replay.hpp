#pragma once

#include "harness/cache/two_tiers.hpp"
#include "harness/workloads/prefix_cache/replay.hpp"

namespace kvstone {

struct TierReplayResult {
    ReplayResult both;            ///< of the two tiers as one cache
    TierCounters tiers;           ///< in blocks
    std::uint64_t hot_held = 0;   ///< blocks in memory at the end
    std::uint64_t cold_held = 0;  ///< and on disk
};

/// Sends a trace through the books of two tiers. `serve(tiers, blocks, matched)` is called between the match and the commit
/// of each request, with its blocks and how many of them were found, and commits.
template <class Serve>
TierReplayResult replay_tiers(RequestTrace const& trace, TierRules const& rules, Serve const& serve) {
    TwoTiers<std::uint64_t> tiers(rules);
    ReplayTally tally(trace);
    for (auto const& request : trace.requests) {
        auto const blocks = trace.blocks_of(request);
        auto const matched = tiers.match(blocks);
        tally.add(request, matched);
        serve(tiers, blocks, matched);
    }
    TierReplayResult result{tally.take(), tiers.counters(), tiers.hot_entries(), tiers.cold_entries()};
    auto& counts = result.both.blocks;
    counts.lookups = result.tiers.lookups;
    counts.hits = result.tiers.hot_hits + result.tiers.cold_hits;
    counts.writes = counts.size_written = result.tiers.writes;
    counts.evictions = counts.size_evicted = result.tiers.drops + result.tiers.losses;
    counts.no_room = result.tiers.no_room;
    result.both.entries_held = result.hot_held + result.cold_held;
    return result;
}
/// The books alone.
TierReplayResult replay_tiers(RequestTrace const& trace, TierRules const& rules);

}  // namespace kvstone
