// Blocks that a prefix cache looks up, and writes where they are not there, in a second on one core. Keys are given: hashing
// tokens is apart, and measured beside.

#include <numeric>
#include <random>

#include <benchmark/benchmark.h>

#include "harness/workloads/prefix_cache/generated_trace.hpp"
#include "harness/workloads/prefix_cache/replay.hpp"

namespace kvstone {
namespace {

/// 10,000 conversations' requests: about half of the blocks are hits of an unbounded cache.
RequestTrace const& chats() {
    static RequestTrace const trace = generate_trace({.kind = "chat",
                                                      .requests = 20'000,
                                                      .prompts = 100,
                                                      .prompt_tokens = 64,
                                                      .own_tokens = 64,
                                                      .answer_tokens = 64,
                                                      .turns = 5,
                                                      .users = 500},
                                                     16, plain_root_key);
    return trace;
}

void replay_chats(benchmark::State& state, char const* policy) {
    StoreRules const rules{.policy = policy, .capacity = static_cast<std::uint64_t>(state.range(0))};
    ReplayResult result;
    for (auto _ : state) result = replay(chats(), rules);
    auto const blocks = static_cast<double>(chats().blocks.size());
    state.counters["blocks/s"] = benchmark::Counter(blocks, benchmark::Counter::kIsIterationInvariantRate);
    state.counters["hit_rate"] = static_cast<double>(result.blocks.hits) / blocks;
}
BENCHMARK_CAPTURE(replay_chats, lru, "lru")->Arg(1000)->Arg(10'000)->Arg(100'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replay_chats, fifo, "fifo")->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replay_chats, lfu, "lfu")->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replay_chats, s3fifo, "s3fifo")->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replay_chats, arc, "arc")->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replay_chats, two_queues, "2q")->Arg(10'000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(replay_chats, belady, "belady")->Arg(10'000)->Unit(benchmark::kMillisecond);

/// The same with whole SHA-256 keys, as a cache of real blocks has them.
void look_up_and_write_keys(benchmark::State& state) {
    std::mt19937_64 random(1);
    std::vector<BlockKey> keys(1 << 18);
    for (auto& key : keys)
        for (auto& byte : key) byte = static_cast<std::uint8_t>(random());
    BlockStore<BlockKey> store({.capacity = 100'000});
    std::size_t at = 0;
    for (auto _ : state) {
        auto const request = std::span<BlockKey const>(keys).subspan(at, 32);
        benchmark::DoNotOptimize(store.match(request, 0));
        store.commit(request);
        at = (at + 32) % keys.size();
    }
    state.SetItemsProcessed(32 * state.iterations());
}
BENCHMARK(look_up_and_write_keys);

void hash_a_block(benchmark::State& state) {
    std::vector<std::uint32_t> tokens(static_cast<std::size_t>(state.range(0)));
    std::iota(tokens.begin(), tokens.end(), 0U);
    auto key = plain_root_key;
    for (auto _ : state) key = next_key(key, tokens);
    benchmark::DoNotOptimize(key);
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(hash_a_block)->Arg(16)->Arg(512);

}  // namespace
}  // namespace kvstone

BENCHMARK_MAIN();
