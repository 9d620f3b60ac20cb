#include "harness/workloads/prefix_cache/request_trace.hpp"

#include "harness/cache/eviction_policy.hpp"

namespace kvstone {

std::vector<std::uint64_t> next_uses(RequestTrace const& trace) {
    std::vector<std::uint64_t> next(trace.blocks.size());
    std::vector<std::uint64_t> upcoming(trace.distinct, never_again);
    for (auto at = trace.blocks.size(); at-- > 0;) {
        auto& after = upcoming[trace.blocks[at]];
        next[at] = after;
        after = at;
    }
    return next;
}

RequestTrace with_layers(RequestTrace const& trace, std::uint64_t layers) {
    auto layered = trace;
    layered.distinct = layers * trace.distinct;
    layered.blocks.clear();
    layered.blocks.reserve(layers * trace.blocks.size());
    for (auto const block : trace.blocks)
        for (std::uint64_t layer = 0; layer < layers; ++layer) layered.blocks.push_back(layers * block + layer);
    for (auto& request : layered.requests) {
        request.first *= layers;
        request.blocks *= layers;
    }
    return layered;
}

}  // namespace kvstone
