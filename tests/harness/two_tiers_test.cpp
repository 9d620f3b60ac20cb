// The books of two tiers against one LRU cache of their sum, against one of the hot tier alone, and against their own moves.

#include "harness/cache/two_tiers.hpp"

#include <set>

#include <gtest/gtest.h>

#include "harness/workloads/prefix_cache/replay.hpp"
#include "harness/workloads/tier/tier_replay.hpp"
#include "tests/harness/random_requests.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

/// Blocks found by each request: in both tiers, and of these those up to the first that is not in the hot one.
struct Found {
    std::vector<std::uint64_t> all;
    std::vector<std::uint64_t> hot;
};

/// Replays a trace, compares the tiers with the moves, and the counters against each other.
Found replay_and_check(RequestTrace const& trace, TierRules const& rules) {
    Found found;
    std::set<std::uint64_t> hot, cold;
    std::uint64_t told[6] = {};
    auto const result = replay_tiers(trace, rules, [&](auto& tiers, auto const& blocks, std::uint64_t matched) {
        found.all.push_back(matched);
        std::uint64_t first = 0;
        while (first < matched && tiers.in_hot(blocks[first])) ++first;
        found.hot.push_back(first);
        tiers.commit(blocks, [&](TierMove move, std::uint64_t block) {
            ++told[static_cast<int>(move)];
            bool const was_hot = move == TierMove::demote || move == TierMove::drop_hot;
            bool const is_new = move == TierMove::write;
            EXPECT_EQ(hot.erase(block), was_hot ? 1U : 0U);
            EXPECT_EQ(cold.erase(block), was_hot || is_new ? 0U : 1U);
            if (move == TierMove::demote)
                cold.insert(block);
            else if (is_new || move == TierMove::replace || move == TierMove::promote)
                hot.insert(block);
        });
        EXPECT_LE(hot.size(), rules.hot);
        EXPECT_LE(cold.size(), rules.cold);
        EXPECT_EQ(tiers.hot_entries(), hot.size());
        EXPECT_EQ(tiers.cold_entries(), cold.size());
        for (auto const block : blocks) {
            EXPECT_EQ(tiers.in_hot(block), hot.contains(block));
            EXPECT_EQ(tiers.in_cold(block), cold.contains(block));
        }
    });
    auto const& tiers = result.tiers;
    EXPECT_EQ(tiers.lookups, trace.blocks.size());
    EXPECT_EQ(tiers.writes, hot.size() + cold.size() + tiers.drops);
    EXPECT_EQ(tiers.writes, told[static_cast<int>(TierMove::write)]);
    EXPECT_EQ(tiers.promotions, told[static_cast<int>(TierMove::promote)]);
    EXPECT_EQ(tiers.demotions, told[static_cast<int>(TierMove::demote)]);
    EXPECT_EQ(tiers.replacements, told[static_cast<int>(TierMove::replace)]);
    EXPECT_EQ(tiers.drops, told[static_cast<int>(TierMove::drop_hot)] + told[static_cast<int>(TierMove::drop_cold)]);
    EXPECT_EQ(result.both.hit_tokens, found.all);
    return found;
}

std::vector<std::uint64_t> lru_hits(RequestTrace const& trace, std::uint64_t capacity, WriteOrder order) {
    return replay(trace, {.capacity = capacity, .order = order}).hit_tokens;
}

class TwoTiersOfEachOrder : public testing::TestWithParam<WriteOrder> {};

TEST_P(TwoTiersOfEachOrder, AreOneLruOfTheirSum) {
    // Requests of one block and paths, of which some are longer than either tier, and than both.
    for (std::uint64_t seed = 0; seed < 8; ++seed)
        for (std::size_t const longest : {1, 6, 40}) {
            auto const trace = trace_of(random_requests(seed, 400, longest));
            for (auto const& [hot, cold] : {std::pair<std::uint64_t, std::uint64_t>{1, 0},
                                            {1, 1},
                                            {1, 30},
                                            {30, 1},
                                            {12, 0},
                                            {5, 20},
                                            {20, 5},
                                            {13, 13},
                                            {50, 200}}) {
                auto const found = replay_and_check(trace, {.hot = hot, .cold = cold, .order = GetParam()});
                ASSERT_EQ(found.all, lru_hits(trace, hot + cold, GetParam()))
                    << "seed " << seed << ", paths of up to " << longest << ", " << hot << " + " << cold;
                // Where all that comes before a request is used in one order whatever was found, LRU is a stack.
                if (GetParam() == WriteOrder::deepest_first || longest == 1) {
                    ASSERT_EQ(found.hot, lru_hits(trace, hot, GetParam()))
                        << "seed " << seed << ", paths of up to " << longest << ", " << hot << " + " << cold;
                }
            }
        }
}

TEST_P(TwoTiersOfEachOrder, HoldEverythingWithoutBounds) {
    auto const trace = trace_of(random_requests(3, 500, 8));
    auto const result = replay_tiers(trace, {.order = GetParam()});
    EXPECT_EQ(result.tiers.hot_hits, trace.blocks.size() - trace.distinct);
    EXPECT_EQ(result.tiers.cold_hits, 0U);
    EXPECT_EQ(result.hot_held, trace.distinct);
    // A hot tier of one block and a cold one without bounds find as much.
    auto const cold = replay_tiers(trace, {.hot = 1, .order = GetParam()});
    EXPECT_EQ(cold.both.blocks.hits, trace.blocks.size() - trace.distinct);
    EXPECT_EQ(cold.cold_held, trace.distinct - 1);
}

TEST_P(TwoTiersOfEachOrder, AreOneLruOfTheirSumOverATraceOfProduction) {
    auto const path = test_data("traces/mooncake_conversation.jsonl");
    if (!path) GTEST_SKIP() << "no traces/mooncake_conversation.jsonl";
    for (std::uint64_t const requests : {1000, 0}) {
        auto const trace = read_trace(*path, requests);
        for (auto const& [hot, cold] : {std::pair<std::uint64_t, std::uint64_t>{1023, 4095}, {100, 900}}) {
            TierRules const rules{.hot = hot, .cold = cold, .order = GetParam()};
            Found found;
            auto const result = replay_tiers(trace, rules, [&](auto& tiers, auto const& blocks, std::uint64_t matched) {
                std::uint64_t first = 0;
                while (first < matched && tiers.in_hot(blocks[first])) ++first;
                found.hot.push_back(first * trace.block_tokens);
                tiers.commit(blocks);
            });
            EXPECT_EQ(result.both.hit_tokens, lru_hits(trace, hot + cold, GetParam()));
            if (GetParam() == WriteOrder::head_first) continue;
            auto const alone = replay(trace, {.capacity = hot, .order = GetParam()});
            for (std::size_t i = 0; i < found.hot.size(); ++i)
                ASSERT_EQ(std::min(found.hot[i], trace.requests[i].tokens), alone.hit_tokens[i]) << i;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Both, TwoTiersOfEachOrder, testing::Values(WriteOrder::head_first, WriteOrder::deepest_first),
                         [](auto const& one) {
                             return one.param == WriteOrder::head_first ? "head_first" : "deepest_first";
                         });

/// Entries of 512 tokens of Llama-3.1-8B that 64 GiB of memory and 256 GiB of disk hold, and what they hit: computed apart, by
/// two plain LRU caches.
TEST(TwoTiers, HitWhatIsKnownOfTheConversationTrace) {
    auto const path = test_data("traces/mooncake_conversation.jsonl");
    if (!path) GTEST_SKIP() << "no traces/mooncake_conversation.jsonl";
    auto const trace = read_trace(*path);
    struct Known {
        std::uint64_t hot, cold, hot_alone_hits, hits;
    };
    for (auto const& [hot, cold, hot_alone_hits, hits] :
         {Known{1023, 4095, 12'831, 32'982}, Known{1927, 7710, 15'267, 58'671}, Known{3969, 15'879, 24'738, 82'803}}) {
        EXPECT_EQ(replay(trace, {.capacity = hot}).blocks.hits, hot_alone_hits);
        auto const result = replay_tiers(trace, {.hot = hot, .cold = cold});
        EXPECT_EQ(result.both.blocks.hits, hits);
        EXPECT_EQ(result.tiers.hot_hits + result.tiers.cold_hits, hits);
        EXPECT_EQ(result.hot_held, hot);
        EXPECT_EQ(result.cold_held, cold);
    }
}

TEST(TwoTiers, MoveBlocksDownAndUp) {
    TwoTiers<std::uint64_t> tiers({.hot = 2, .cold = 1});
    std::vector<std::pair<TierMove, std::uint64_t>> moves;
    auto const ask = [&](std::uint64_t block) {
        moves.clear();
        auto const matched = tiers.match(std::span(&block, 1));
        tiers.commit(std::span(&block, 1),
                     [&](TierMove move, std::uint64_t which) { moves.emplace_back(move, which); });
        return matched == 1;
    };
    using enum TierMove;
    using Moves = std::vector<std::pair<TierMove, std::uint64_t>>;
    EXPECT_FALSE(ask(1));
    EXPECT_FALSE(ask(2));
    EXPECT_FALSE(ask(3));
    EXPECT_EQ(moves, (Moves{{write, 3}, {demote, 1}}));
    EXPECT_TRUE(ask(1));
    EXPECT_EQ(moves, (Moves{{promote, 1}, {demote, 2}}));
    EXPECT_TRUE(ask(3));
    EXPECT_EQ(moves, Moves());
    EXPECT_FALSE(ask(4));
    EXPECT_EQ(moves, (Moves{{drop_cold, 2}, {write, 4}, {demote, 1}}));
}

TEST(TwoTiers, ForgetWhatTheDiskHasLost) {
    TwoTiers<std::uint64_t> tiers({.hot = 1, .cold = 2});
    std::vector<std::uint64_t> const path{1, 2, 3};
    EXPECT_EQ(tiers.match(path), 0U);
    tiers.commit(path);
    EXPECT_FALSE(tiers.lose(3)) << "it is in memory";
    EXPECT_FALSE(tiers.lose(9));
    EXPECT_TRUE(tiers.lose(2));
    EXPECT_EQ(tiers.cold_entries(), 1U);
    EXPECT_EQ(tiers.match(path), 1U) << "2 is gone, and 3 stands behind it";
    tiers.commit(path);
    EXPECT_EQ(tiers.counters().losses, 1U);
    EXPECT_EQ(tiers.counters().writes, 4U);
    EXPECT_EQ(tiers.match(path), 3U);
}

}  // namespace
}  // namespace kvstone
