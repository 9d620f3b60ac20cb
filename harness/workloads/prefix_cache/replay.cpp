#include "harness/workloads/prefix_cache/replay.hpp"

#include <algorithm>

namespace kvstone {

ReplayResult replay(RequestTrace const& trace, StoreRules const& rules, std::uint64_t layers) {
    BlockStore<std::uint64_t> store(rules);
    ReplayResult result;
    result.hit_tokens.reserve(trace.requests.size());
    auto const next = rules.policy == "belady" ? next_uses(trace) : std::vector<std::uint64_t>();
    for (auto const& request : trace.requests) {
        auto const blocks = trace.blocks_of(request);
        auto const matched = store.match(blocks, request.time_ns) / layers;
        auto const hit = std::min(matched * trace.block_tokens, request.tokens);
        result.token_lookups += request.tokens;
        result.token_hits += hit;
        result.request_hits_any += hit > 0 ? 1 : 0;
        result.request_hits_all += hit == request.tokens ? 1 : 0;
        result.hit_tokens.push_back(hit);
        if (next.empty())
            store.commit(blocks);
        else
            store.commit(
                blocks, [](std::size_t) { return std::uint64_t{1}; },
                [&](std::size_t i) { return next[request.first + i]; });
    }
    result.requests = trace.requests.size();
    result.blocks = store.counters();
    result.entries_held = store.entries();
    return result;
}

}  // namespace kvstone
