#pragma once

#include <utility>
#include <vector>

#include "harness/cache/two_tiers.hpp"
#include "harness/workloads/prefix_cache/replay.hpp"

namespace kvstone {

struct TierReplayResult {
    ReplayResult both;            ///< of the two tiers as one cache
    TierCounters tiers;           ///< in blocks
    std::uint64_t hot_held = 0;   ///< blocks in memory at the end
    std::uint64_t cold_held = 0;  ///< and on disk
};

/// Sends a trace through the accounts of two tiers. `serve(tiers, blocks, matched)` is called between the match and the
/// commit of each request, with its blocks and the number of them that were found, and commits.
template <class Serve>
TierReplayResult replay_tiers(RequestTrace const& trace, TierRules const& rules, Serve const& serve) {
    TwoTiers<std::uint64_t> tiers(rules);
    std::vector<std::uint64_t> hit_tokens;
    hit_tokens.reserve(trace.requests.size());
    for (auto const& request : trace.requests) {
        auto const blocks = trace.blocks_of(request);
        auto const matched = tiers.match(blocks);
        hit_tokens.push_back(found_tokens(trace, request, matched));
        serve(tiers, blocks, matched);
    }
    auto const of_tiers = tiers.counters();
    StoreCounters both;
    both.lookups = of_tiers.lookups;
    both.hits = of_tiers.hot_hits + of_tiers.cold_hits;
    both.writes = both.size_written = of_tiers.writes;
    both.evictions = both.size_evicted = of_tiers.drops + of_tiers.losses;
    both.no_room = of_tiers.no_room;
    auto const held = tiers.hot_entries() + tiers.cold_entries();
    return {replay_result(trace, std::move(hit_tokens), both, held), of_tiers, tiers.hot_entries(),
            tiers.cold_entries()};
}
/// Replays the accounts alone.
TierReplayResult replay_tiers(RequestTrace const& trace, TierRules const& rules);

}  // namespace kvstone
