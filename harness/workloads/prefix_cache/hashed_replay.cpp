#include "harness/workloads/prefix_cache/hashed_replay.hpp"

#include <chrono>
#include <numeric>

#include "harness/cache/clients.hpp"
#include "harness/cache/shared_store.hpp"
#include "harness/workloads/prefix_cache/request_keys.hpp"

namespace kvstone {

HashedReplay replay_hashed(RequestTrace const& trace, StoreRules const& rules, std::uint64_t layers,
                           std::uint64_t clients, BlockKey const& root) {
    using Clock = std::chrono::steady_clock;
    auto const seconds_since = [](Clock::time_point start) {
        return std::chrono::duration<double>(Clock::now() - start).count();
    };
    BlockTokens const tokens(trace.block_tokens, std::uint64_t{1} << 32U);
    auto const next = rules.policy != "belady" ? std::vector<std::uint64_t>()
                      : layers == 1            ? next_uses(trace)
                                               : next_uses(with_layers(trace, layers));
    SharedStore store(rules);
    std::vector<std::uint64_t> hit_tokens(trace.requests.size());
    std::vector<double> hashing_s(clients);
    auto const start = Clock::now();
    run_clients(
        clients, 0, trace.requests.size(),
        [&](std::size_t client, std::uint64_t number) {
            auto const& request = trace.requests[number];
            auto const hashing = Clock::now();
            auto const keys = request_keys(root, trace, request, tokens, layers);
            hashing_s[client] += seconds_since(hashing);
            auto const first = request.first * layers;
            auto const served = store.serve(number, keys, request.time_ns, [&](std::size_t i) {
                return next.empty() ? never_again : next[first + i];
            });
            if (served) hit_tokens[number] = found_tokens(trace, request, served->found.size() / layers);
        },
        [&] { store.throw_away(); });
    HashedReplay result;
    result.all_s = seconds_since(start);
    result.hashing_s = std::accumulate(hashing_s.begin(), hashing_s.end(), 0.0);
    result.replayed = replay_result(trace, std::move(hit_tokens), store.counters(), store.entries());
    return result;
}

}  // namespace kvstone
