#include "harness/workloads/prefix_cache/replay.hpp"

#include <algorithm>

namespace kvstone {

std::uint64_t found_tokens(RequestTrace const& trace, TraceRequest const& request, std::uint64_t found_blocks) {
    return std::min(found_blocks * trace.block_tokens, request.tokens);
}

ReplayResult replay_result(RequestTrace const& trace, std::vector<std::uint64_t> hit_tokens,
                           StoreCounters const& blocks, std::uint64_t entries_held) {
    ReplayResult result;
    result.blocks = blocks;
    result.entries_held = entries_held;
    result.requests = trace.requests.size();
    for (std::size_t i = 0; i < trace.requests.size(); ++i) {
        auto const tokens = trace.requests[i].tokens;
        result.token_lookups += tokens;
        result.token_hits += hit_tokens[i];
        result.request_hits_any += hit_tokens[i] > 0 ? 1 : 0;
        result.request_hits_all += hit_tokens[i] == tokens ? 1 : 0;
    }
    result.hit_tokens = std::move(hit_tokens);
    return result;
}

ReplayResult replay(RequestTrace const& trace, StoreRules const& rules, std::uint64_t layers) {
    BlockStore<std::uint64_t> store(rules);
    std::vector<std::uint64_t> hit_tokens;
    hit_tokens.reserve(trace.requests.size());
    auto const next = rules.policy == "belady" ? next_uses(trace) : std::vector<std::uint64_t>();
    for (auto const& request : trace.requests) {
        auto const blocks = trace.blocks_of(request);
        hit_tokens.push_back(found_tokens(trace, request, store.match(blocks, request.time_ns) / layers));
        if (next.empty())
            store.commit(blocks);
        else
            store.commit(
                blocks, [](std::size_t) { return std::uint64_t{1}; },
                [&](std::size_t i) { return next[request.first + i]; });
    }
    return replay_result(trace, std::move(hit_tokens), store.counters(), store.entries());
}

}  // namespace kvstone
