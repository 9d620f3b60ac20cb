#include "harness/workloads/prefix_cache/replay.hpp"

#include <algorithm>

namespace kvstone {

void ReplayTally::add(TraceRequest const& request, std::uint64_t matched) {
    auto const hit = std::min(matched * block_tokens_, request.tokens);
    ++result_.requests;
    result_.token_lookups += request.tokens;
    result_.token_hits += hit;
    result_.request_hits_any += hit > 0 ? 1 : 0;
    result_.request_hits_all += hit == request.tokens ? 1 : 0;
    result_.hit_tokens.push_back(hit);
}

ReplayResult replay(RequestTrace const& trace, StoreRules const& rules, std::uint64_t layers) {
    BlockStore<std::uint64_t> store(rules);
    ReplayTally tally(trace);
    auto const next = rules.policy == "belady" ? next_uses(trace) : std::vector<std::uint64_t>();
    for (auto const& request : trace.requests) {
        auto const blocks = trace.blocks_of(request);
        tally.add(request, store.match(blocks, request.time_ns) / layers);
        if (next.empty())
            store.commit(blocks);
        else
            store.commit(
                blocks, [](std::size_t) { return std::uint64_t{1}; },
                [&](std::size_t i) { return next[request.first + i]; });
    }
    auto result = tally.take();
    result.blocks = store.counters();
    result.entries_held = store.entries();
    return result;
}

}  // namespace kvstone
