#pragma once
// Requests that share beginnings, as traces for tests of caches.

#include <algorithm>
#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "harness/workloads/prefix_cache/trace_builder.hpp"

namespace kvstone {

using Requests = std::vector<std::vector<std::uint64_t>>;

/// Paths from the root of a tree that grows: early children are taken most often, and any step may make a new one.
inline Requests random_requests(std::uint64_t seed, std::size_t count, std::size_t longest) {
    std::mt19937_64 random(seed);
    std::map<std::uint64_t, std::vector<std::uint64_t>> children;
    std::uint64_t blocks = 1;  // 0 is the root
    Requests requests;
    while (requests.size() < count) {
        auto& request = requests.emplace_back();
        std::uint64_t at = 0;
        for (auto length = 1 + random() % longest; length > 0; --length) {
            auto& below = children[at];
            if (below.size() < 8 && (below.empty() || random() % 4 == 0)) below.push_back(blocks++);
            at = below[std::min(random() % below.size(), random() % below.size())];
            request.push_back(at);
        }
    }
    return requests;
}

/// One block a token, a nanosecond between two requests.
inline RequestTrace trace_of(Requests const& requests) {
    TraceBuilder<std::uint64_t> builder(1);
    std::int64_t time_ns = 0;
    for (auto const& request : requests) builder.add(time_ns++, request.size(), request);
    return builder.take();
}

}  // namespace kvstone
