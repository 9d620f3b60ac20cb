// The accounts of a prefix cache: every policy against a slow one, rules for all of them, times, pins, sizes.

#include "harness/cache/block_store.hpp"

#include <map>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "harness/workloads/prefix_cache/replay.hpp"
#include "tests/harness/random_requests.hpp"
#include "tests/harness/slow_caches.hpp"

namespace kvstone {
namespace {

std::vector<std::uint64_t> fast_hits(RequestTrace const& trace, StoreRules const& rules) {
    auto const result = replay(trace, rules);
    EXPECT_EQ(result.blocks.size_written,
              result.entries_held + result.blocks.size_evicted + result.blocks.size_expired);
    EXPECT_EQ(result.blocks.writes, result.entries_held + result.blocks.evictions + result.blocks.expirations);
    EXPECT_LE(result.entries_held, rules.capacity);
    EXPECT_EQ(result.blocks.lookups, trace.blocks.size());
    EXPECT_EQ(result.blocks.hits,
              std::accumulate(result.hit_tokens.begin(), result.hit_tokens.end(), std::uint64_t{0}));
    return result.hit_tokens;
}

class Policies : public testing::TestWithParam<std::string> {};

TEST_P(Policies, HitWhatTheSlowOneHits) {
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
        // One block a request, as the papers have it, and paths; no request is longer than any cache.
        for (std::size_t const longest : {1, 6}) {
            auto const requests = random_requests(seed, longest == 1 ? 600 : 300, longest);
            auto const trace = trace_of(requests);
            for (std::size_t const capacity : {7, 12, 31, 64})
                for (auto const order : {WriteOrder::head_first, WriteOrder::deepest_first})
                    ASSERT_EQ(fast_hits(trace, {.policy = GetParam(), .capacity = capacity, .order = order}),
                              slow::hits(GetParam(), capacity, requests, order == WriteOrder::deepest_first))
                        << "seed " << seed << ", paths of up to " << longest << ", " << capacity << " blocks";
        }
    }
}

/// Blocks of no tree, each asked for alone: every path of the ghosts' lists is gone.
TEST_P(Policies, HitWhatTheSlowOneHitsWhereMuchComesAgain) {
    for (std::uint64_t seed = 0; seed < 4; ++seed) {
        std::mt19937_64 random(seed);
        Requests requests;
        for (std::uint64_t i = 0; i < 3000; ++i)
            requests.push_back({i / 500 % 2 == 0 ? random() % 40 : 10 + random() % 25 + random() % 25});
        for (std::size_t const capacity : {1, 4, 10, 20, 39})
            ASSERT_EQ(fast_hits(trace_of(requests), {.policy = GetParam(), .capacity = capacity}),
                      slow::hits(GetParam(), capacity, requests, false))
                << "seed " << seed << ", " << capacity << " blocks";
    }
}

TEST_P(Policies, HitNoMoreThanBeladyAndAllWithoutBounds) {
    auto const trace = trace_of(random_requests(11, 2000, 12));
    for (std::uint64_t const capacity : {20, 50, 200, 1000}) {
        auto const own = replay(trace, {.policy = GetParam(), .capacity = capacity}).blocks.hits;
        EXPECT_LE(own, replay(trace, {.policy = "belady", .capacity = capacity}).blocks.hits) << capacity;
    }
    for (std::uint64_t const capacity : {trace.distinct, never_again}) {
        auto const unbounded = replay(trace, {.policy = GetParam(), .capacity = capacity});
        EXPECT_EQ(unbounded.blocks.hits, trace.blocks.size() - trace.distinct);
        EXPECT_EQ(unbounded.blocks.evictions, 0U);
    }
}

TEST_P(Policies, TakeRequestsLongerThanTheCache) {
    auto const trace = trace_of(random_requests(3, 500, 40));
    for (std::uint64_t const capacity : {1, 2, 3, 5, 20})
        for (bool const second_touch : {false, true})
            fast_hits(trace, {.policy = GetParam(), .capacity = capacity, .second_touch = second_touch});
}

TEST_P(Policies, KeepTheirBooksWhileBlocksExpire) {
    auto const trace = trace_of(random_requests(4, 2000, 8));
    for (bool const from_hit : {false, true})
        for (std::int64_t const ttl_ns : {1, 10, 200})
            fast_hits(trace, {.policy = GetParam(), .capacity = 60, .ttl_ns = ttl_ns, .ttl_from_hit = from_hit});
}

INSTANTIATE_TEST_SUITE_P(All, Policies, testing::ValuesIn(policy_names()),
                         [](auto const& one) { return one.param == "2q" ? "two_queues" : one.param; });

TEST(BlockStores, LruHitsMoreTheMoreItHolds) {
    auto const trace = trace_of(random_requests(7, 3000, 10));
    std::vector<std::uint64_t> less(trace.requests.size());
    for (std::uint64_t capacity = 10; capacity < 200; capacity += 7) {
        // Deepest first is leaf-only LRU, a stack: each request hits at least as many blocks as in a smaller cache.
        auto const hits = fast_hits(trace, {.capacity = capacity, .order = WriteOrder::deepest_first});
        for (std::size_t i = 0; i < hits.size(); ++i)
            ASSERT_GE(hits[i], less[i]) << capacity << " blocks, request " << i;
        less = hits;
    }
}

TEST(BlockStores, HeadsOutliveTheirTailsWhereTheDeepestGoesFirst) {
    std::vector<std::uint64_t> const path{1, 2, 3, 4}, other{9, 8};
    for (auto const order : {WriteOrder::head_first, WriteOrder::deepest_first}) {
        BlockStore<std::uint64_t> store({.capacity = 4, .order = order});
        store.match(path, 0);
        store.commit(path);
        store.match(other, 1);
        store.commit(other);
        // Two of the path had to go: its head, and nothing behind is of use; or its tail.
        EXPECT_EQ(store.match(path, 2), order == WriteOrder::head_first ? 0U : 2U);
    }
}

TEST(BlockStores, MatchedBlocksArePinned) {
    std::vector<std::uint64_t> const head{1, 2}, longer{1, 2, 3, 4, 5}, other{6, 7};
    // The matched blocks would be first to go under FIFO; pinned, they leave the third place to new blocks, in turn.
    BlockStore<std::uint64_t> store({.policy = "fifo", .capacity = 3});
    store.match(head, 0);
    store.commit(head);
    EXPECT_EQ(store.match(longer, 1), 2U);
    store.commit(longer);
    EXPECT_TRUE(store.holds(1) && store.holds(2) && store.holds(5));
    EXPECT_EQ(store.counters().evictions, 2U);
    // Where everything is pinned, nothing is written.
    BlockStore<std::uint64_t> full({.capacity = 2});
    full.match(head, 0);
    full.commit(head);
    full.match(longer, 1);
    full.commit(longer);
    EXPECT_TRUE(full.holds(1) && full.holds(2));
    EXPECT_EQ(full.counters().no_room, 3U);
    EXPECT_EQ(full.counters().writes, 2U);
    // The request is over: its blocks may go.
    full.match(other, 2);
    full.commit(other);
    EXPECT_TRUE(full.holds(6) && full.holds(7));
}

TEST(BlockStores, CountBytesWhereSizesAreBytes) {
    BlockStore<std::uint64_t> store({.capacity = 100});
    std::map<std::uint64_t, std::uint64_t> const sizes{{1, 40}, {2, 60}, {3, 30}, {4, 101}};
    for (auto const& [block, size] : sizes) {
        store.match(std::span(&block, 1), 0);
        store.commit(std::span(&block, 1), size);
        EXPECT_LE(store.size(), 100U);
    }
    // 30 bytes need the room of the first; 101 never fit.
    EXPECT_TRUE(!store.holds(1) && store.holds(2) && store.holds(3) && !store.holds(4));
    EXPECT_EQ(store.size(), 90U);
    auto const& counters = store.counters();
    EXPECT_EQ(counters.size_written, 130U);
    EXPECT_EQ(counters.size_evicted, 40U);
    EXPECT_EQ(counters.no_room, 1U);
}

TEST(BlockStores, HoldBlocksForTheirTime) {
    struct Case {
        bool from_hit;
        bool last_instant;
        std::vector<std::int64_t> times;
        std::uint64_t hits;
    };
    // Asked for at these times, 10 long: from writing the third lookup is too late, from the last use none is.
    for (auto const& [from_hit, last_instant, times, hits] :
         {Case{false, true, {0, 7, 14}, 1}, Case{true, true, {0, 7, 14}, 2}, Case{false, true, {0, 10}, 1},
          Case{false, false, {0, 10}, 0}, Case{true, false, {0, 9, 18, 28}, 2}, Case{false, true, {0, 11, 21}, 1}}) {
        BlockStore<std::uint64_t> store({.ttl_ns = 10, .ttl_from_hit = from_hit, .last_instant_counts = last_instant});
        std::uint64_t const block = 5;
        for (auto const time : times) {
            store.match(std::span(&block, 1), time);
            store.commit(std::span(&block, 1));
        }
        EXPECT_EQ(store.counters().hits, hits) << from_hit << last_instant;
        EXPECT_EQ(store.counters().expirations, times.size() - 1 - hits);
        EXPECT_EQ(store.entries(), 1U);
    }
}

TEST(BlockStores, WriteAtTheSecondTouch) {
    std::vector<std::uint64_t> const first{1, 2}, second{1, 3};
    BlockStore<std::uint64_t> store({.second_touch = true});
    std::vector<std::uint64_t> hits;
    for (auto const& request : {first, second, second, second}) {
        hits.push_back(store.match(request, 0));
        store.commit(request);
    }
    // Block 1 is written by the second request, 3 by the third, 2 never.
    EXPECT_EQ(hits, (std::vector<std::uint64_t>{0, 0, 1, 2}));
    EXPECT_FALSE(store.holds(2));
    EXPECT_EQ(store.counters().not_admitted, 3U);
    EXPECT_EQ(store.counters().writes, 2U);
}

TEST(BlockStores, TakeHashesAsKeys) {
    std::vector<std::uint32_t> tokens(64);
    std::iota(tokens.begin(), tokens.end(), 0U);
    auto const keys = block_keys(plain_root_key, tokens, 16);
    BlockStore<BlockKey> store({.capacity = 10});
    EXPECT_EQ(store.match(keys, 0), 0U);
    store.commit(keys);
    EXPECT_EQ(store.match(keys, 0), 4U);
    tokens[20] = 0;
    EXPECT_EQ(store.match(block_keys(plain_root_key, tokens, 16), 0), 1U);
}

}  // namespace
}  // namespace kvstone
