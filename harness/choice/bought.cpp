#include "harness/choice/bought.hpp"

#include "harness/workloads/prefix_cache/replay.hpp"

namespace kvstone {
namespace {

TraceHits hits_of(RequestTrace const& trace, std::uint64_t entries) {
    if (entries == 0) return {};
    auto const replayed = replay(trace, {.policy = "lru", .capacity = entries});
    return {replayed.blocks.hits, replayed.token_hits};
}

}  // namespace

Budget read_budget(std::uint64_t bytes, std::string const& trace) {
    Budget budget{.bytes = bytes, .trace = {}};
    if (trace.empty()) return budget;
    budget.trace = read_trace(trace);
    budget.block_tokens = budget.trace->block_tokens;
    budget.block_lookups = budget.trace->blocks.size();
    for (auto const& request : budget.trace->requests) budget.token_lookups += request.tokens;
    budget.unbounded = hits_of(*budget.trace, never_again);
    return budget;
}

Bought buy(Budget const& budget, std::uint64_t block_bytes, std::uint64_t sequence_bytes) {
    Bought bought{block_bytes, budget.bytes / block_bytes, budget.bytes / sequence_bytes, {}};
    if (budget.trace) bought.hits = hits_of(*budget.trace, bought.entries);
    return bought;
}

}  // namespace kvstone
