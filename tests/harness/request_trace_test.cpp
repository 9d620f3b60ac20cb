// Traces of requests: accepted files, errors, drawn ones; and the counts of a trace from production.

#include "harness/workloads/prefix_cache/request_trace.hpp"

#include <algorithm>
#include <cmath>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/cache/eviction_policy.hpp"
#include "harness/workloads/prefix_cache/generated_trace.hpp"
#include "harness/workloads/prefix_cache/replay.hpp"
#include "scenarios/errors.hpp"
#include "tests/scratch_folder.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class TraceFiles : public testing::Test {
  protected:
    RequestTrace read(std::string const& name, std::string const& text, std::uint64_t most = 0) {
        return read_trace(folder_.write(name, text), most);
    }
    std::string refusal(std::string const& name, std::string const& text) {
        try {
            read(name, text);
        } catch (ConfigError const& error) {
            return error.what();
        }
        return "not refused";
    }
    ScratchFolder folder_;
};

constexpr char const* mooncake = R"({"timestamp": 0, "input_length": 1024, "output_length": 5, "hash_ids": [46, 47]}
{"timestamp": 3000, "input_length": 1030, "output_length": 5, "hash_ids": [46, 47, 90]}

{"timestamp": 3000, "input_length": 700, "output_length": 1, "hash_ids": [46]}
)";

TEST_F(TraceFiles, OfMooncakeCountIn512Tokens) {
    auto const trace = read("a.jsonl", mooncake);
    EXPECT_EQ(trace.block_tokens, 512U);
    ASSERT_EQ(trace.requests.size(), 3U);
    EXPECT_EQ(trace.requests[1].time_ns, 3'000'000'000);
    EXPECT_EQ(trace.requests[1].tokens, 1030U);
    EXPECT_THAT(trace.blocks, ElementsAre(0, 1, 0, 1, 2, 0));
    EXPECT_EQ(trace.distinct, 3U);
    EXPECT_THAT(trace.blocks_of(trace.requests[1]), ElementsAre(0, 1, 2));
    EXPECT_THAT(next_uses(trace), ElementsAre(2, 3, 5, never_again, never_again, never_again));
    EXPECT_EQ(read("a.jsonl", mooncake, 2).blocks.size(), 5U);
    EXPECT_EQ(read("a.jsonl", std::string("\xef\xbb\xbf") + mooncake).blocks, trace.blocks);
}

TEST_F(TraceFiles, OfBailianCountIn16TokensAndSeconds) {
    auto const trace = read(
        "b.jsonl",
        R"({"chat_id": 159, "parent_chat_id": -1, "timestamp": 61.114, "input_length": 41, "output_length": 3, "type": "text", "turn": 1, "hash_ids": [7, 8, 9]}
{"chat_id": 160, "parent_chat_id": 159, "timestamp": 61.5, "input_length": 33, "output_length": 3, "type": "text", "turn": 2, "hash_ids": [7, 8]}
)");
    EXPECT_EQ(trace.block_tokens, 16U);
    EXPECT_EQ(trace.requests[0].time_ns, 61'114'000'000);
    EXPECT_THAT(trace.blocks, ElementsAre(0, 1, 2, 0, 1));
}

TEST_F(TraceFiles, OfOurOwnAreYaml) {
    auto const trace = read("c.yaml", R"(block_tokens: 4
requests:
  - {time: 0.5 s, tokens: 9, blocks: [5, 6, 7]}
  - {tokens: 8, blocks: [5, 6]}
  - {time: 2 s, tokens: 3, blocks: 5}
)");
    EXPECT_EQ(trace.block_tokens, 4U);
    EXPECT_EQ(trace.requests[1].time_ns, 500'000'000);
    EXPECT_THAT(trace.blocks, ElementsAre(0, 1, 2, 0, 1, 0));
}

TEST_F(TraceFiles, AreRefusedByFileAndLine) {
    std::string const good = R"({"timestamp": 5, "input_length": 512, "output_length": 5, "hash_ids": [1]})"
                             "\n";
    auto const line = [](std::string const& time, std::string const& tokens, std::string const& ids) {
        return R"({"timestamp": )" + time + R"(, "input_length": )" + tokens + R"(, "hash_ids": )" + ids + "}\n";
    };
    for (auto const& [bad, why] : std::vector<std::pair<std::string, std::string>>{
             {"{\"timestamp\": 5,\n", "no JSON"},
             {"[1, 2]\n", "no JSON object"},
             {"{\"input_length\": 512, \"hash_ids\": [1]}\n", "lacks a member: 'timestamp'"},
             {"{\"timestamp\": 5, \"hash_ids\": [1]}\n", "lacks a member: 'input_length'"},
             {"{\"timestamp\": 5, \"input_length\": 512}\n", "lacks a member: 'hash_ids'"},
             {line("\"5\"", "512", "[1]"), "timestamp is no time"},
             {line("-5", "512", "[1]"), "timestamp is no time"},
             {line("1e300", "512", "[1]"), "timestamp is no time"},
             {line("4", "512", "[1]"), "came before the one above"},
             {line("5", "512.5", "[1]"), "input_length is no whole number"},
             {line("5", "-1", "[1]"), "input_length is no whole number"},
             {line("5", "0", "[]"), "without tokens"},
             {line("5", "512", "7"), "hash_ids is no list"},
             {line("5", "512", "[-1]"), "an id of hash_ids is no whole number"},
             {line("5", "1025", "[1]"), "not as many blocks as the tokens fill: '1'; accepted: 2"},
             {line("5", "1025", "[1, 2, 3, 4]"), "not as many blocks as the tokens fill"},
             {line("5", "512", "[1, 2]"), "not as many blocks as the tokens fill"},
             {line("5", "1024", "[1, 1]"), "had another place"},
             {line("5", "1024", "[2, 1]"), "had another place"},
             {R"({"chat_id": 1, "timestamp": 5, "input_length": 512, "hash_ids": [1]})", "another format"},
         }) {
        EXPECT_THAT(refusal("d.jsonl", good + bad), AllOf(HasSubstr("d.jsonl:2: "), HasSubstr(why))) << bad;
    }
    EXPECT_THAT(refusal("d.jsonl", "\n"), HasSubstr("a trace without requests"));
    EXPECT_THAT(refusal("e.yaml", "block_tokens: 4\nrequests:\n  - {tokens: 9, blocks: [5]}\n"),
                AllOf(HasSubstr("e.yaml:3:"), HasSubstr("not as many blocks")));
    EXPECT_THAT(refusal("e.yaml", "block_tokens: 0\nrequests: []\n"), HasSubstr("e.yaml:1:"));
    EXPECT_THAT(refusal("e.yaml", "block_tokens: 4\nrequests: []\n"), HasSubstr("expected at least one item"));
    EXPECT_THAT(refusal("e.yaml", "block_tokens: 4\nrequests:\n  - {tokens: 4, block: [5]}\n"),
                AllOf(HasSubstr("e.yaml:3:"), HasSubstr("did you mean 'blocks'?")));
}

TEST(GeneratedTraces, OfPromptsInTurnAreTheStudys) {
    // Study D: 50 requests, 5 prompts, 32 layers; each prompt one block here.
    auto const trace = generate_trace({}, 512, plain_root_key);
    auto const result = replay(with_layers(trace, 32), {}, 32);
    EXPECT_EQ(result.blocks.lookups, 1600U);
    EXPECT_EQ(result.blocks.lookups - result.blocks.hits, 160U);
    EXPECT_EQ(result.entries_held, 160U);
    EXPECT_EQ(result.request_hits_all, 45U);
    EXPECT_EQ(result.token_hits, 45U * 512);
    // Layers multiply the counts of blocks, whatever is evicted.
    for (std::uint64_t const capacity : {1, 3, 4, 5}) {
        auto const blocks = replay(trace, {.capacity = capacity});
        auto const layers = replay(with_layers(trace, 32), {.capacity = 32 * capacity}, 32);
        EXPECT_EQ(layers.blocks.hits, 32 * blocks.blocks.hits) << capacity;
        EXPECT_EQ(layers.blocks.evictions, 32 * blocks.blocks.evictions) << capacity;
        EXPECT_EQ(layers.hit_tokens, blocks.hit_tokens) << capacity;
    }
}

TEST(GeneratedTraces, OfZipfDrawTheFirstMostOften) {
    GeneratedTrace wanted{.kind = "zipf", .requests = 20'000, .prompts = 4, .prompt_tokens = 16};
    auto const trace = generate_trace(wanted, 16, plain_root_key);
    std::vector<double> counts(4);
    for (auto const block : trace.blocks) counts[block] += 1;
    std::ranges::sort(counts, std::greater());
    // Shares of 1, 1/2, 1/3, 1/4: 0.48, 0.24, 0.16, 0.12, six deviations of a count.
    double const sum = 1 + 1 / 2.0 + 1 / 3.0 + 1 / 4.0;
    for (std::size_t i = 0; i < 4; ++i) {
        double const share = 1 / (static_cast<double>(i) + 1) / sum;
        EXPECT_NEAR(counts[i], 20'000 * share, 6 * std::sqrt(20'000 * share * (1 - share))) << i;
    }
    EXPECT_EQ(generate_trace(wanted, 16, plain_root_key).blocks, trace.blocks);
    wanted.seed = 1;
    EXPECT_NE(generate_trace(wanted, 16, plain_root_key).blocks, trace.blocks);
}

TEST(GeneratedTraces, OfChatsBeginWithWhatWasSaid) {
    // One user, one system prompt of 32 tokens; turns of 16 more, answers of 16: prompts of 48, 80, 112, and again 48.
    GeneratedTrace const wanted{.kind = "chat",
                                .requests = 4,
                                .prompts = 1,
                                .prompt_tokens = 32,
                                .own_tokens = 16,
                                .answer_tokens = 16,
                                .turns = 3,
                                .users = 1};
    auto const trace = generate_trace(wanted, 16, plain_root_key);
    std::vector<std::uint64_t> tokens;
    for (auto const& request : trace.requests) tokens.push_back(request.tokens);
    EXPECT_THAT(tokens, ElementsAre(48, 80, 112, 48));
    EXPECT_THAT(replay(trace, {}).hit_tokens, ElementsAre(0, 48, 80, 32));
    EXPECT_EQ(trace.requests[1].time_ns, 1'000'000'000);
}

TEST(GeneratedTraces, TellWhatIsSharedBelowABlock) {
    // Five prompts of 100 tokens in turn, ten tokens of its own behind each of 50 requests, blocks of 64: an unbounded cache
    // finds the first block, and of the 36 tokens behind it that were there before no block was made.
    auto const trace = generate_trace({.prompt_tokens = 100, .own_tokens = 10}, 64, plain_root_key);
    EXPECT_EQ(trace.repeated_tokens, 45U * 64);
    EXPECT_EQ(trace.shared_below_block, 45U * 36);
    EXPECT_EQ(replay(trace, {}).token_hits, trace.repeated_tokens);
    // Prompts below one block: no hits, and that is not for want of reuse.
    auto const small = generate_trace({.prompt_tokens = 60, .own_tokens = 10}, 128, plain_root_key);
    EXPECT_EQ(small.repeated_tokens, 0U);
    EXPECT_EQ(small.shared_below_block, 45U * 60);
    // Whole blocks leave nothing behind them; texts of their own share nothing.
    EXPECT_EQ(generate_trace({.prompt_tokens = 128, .own_tokens = 64}, 64, plain_root_key).shared_below_block, 0U);
    EXPECT_EQ(generate_trace({.prompts = 50, .prompt_tokens = 100}, 64, plain_root_key).shared_below_block, 0U);
}

/// The longest beginning that two requests have in common, token by token, against all earlier ones.
TEST(GeneratedTraces, ShareWhatComparingAllTokensFinds) {
    GeneratedTrace const wanted{.kind = "chat",
                                .requests = 120,
                                .prompts = 3,
                                .prompt_tokens = 21,
                                .own_tokens = 5,
                                .answer_tokens = 6,
                                .turns = 3,
                                .users = 4};
    // With blocks of one token every beginning is found.
    auto const by_token = generate_trace(wanted, 1, plain_root_key);
    EXPECT_EQ(by_token.shared_below_block, 0U);
    for (std::uint64_t const block_tokens : {2, 7, 16, 64}) {
        auto const trace = generate_trace(wanted, block_tokens, plain_root_key);
        EXPECT_EQ(trace.repeated_tokens + *trace.shared_below_block, by_token.repeated_tokens) << block_tokens;
    }
}

class ConversationTrace : public testing::Test {
  protected:
    void SetUp() override {
        auto const path = test_data("traces/mooncake_conversation.jsonl");
        if (!path) GTEST_SKIP() << "no traces/mooncake_conversation.jsonl";
        path_ = *path;
    }
    std::string path_;
};

TEST_F(ConversationTrace, HasItsCountsWithoutBounds) {
    auto const trace = read_trace(path_);
    EXPECT_EQ(trace.distinct, 182'790U);
    for (auto const& policy : policy_names()) {
        auto const result = replay(trace, {.policy = policy});
        EXPECT_EQ(result.requests, 12'031U);
        EXPECT_EQ(result.blocks.lookups, 288'500U);
        EXPECT_EQ(result.blocks.hits, 105'710U);
        EXPECT_EQ(result.token_hits, 54'098'411U);
        EXPECT_EQ(result.token_lookups, 144'793'823U);
        EXPECT_EQ(result.request_hits_any, 12'030U);
        EXPECT_EQ(result.request_hits_all, 118U);
        EXPECT_EQ(trace.repeated_tokens, 54'098'411U);
        EXPECT_FALSE(trace.shared_below_block) << "ids do not tell";
    }
    // sum k^2 / sum L^2: the share of attention's work, .321542.
    auto const hit = replay(trace, {}).hit_tokens;
    double hits = 0;
    double all = 0;
    for (std::size_t i = 0; i < hit.size(); ++i) {
        hits += std::pow(static_cast<double>(hit[i]), 2);
        all += std::pow(static_cast<double>(trace.requests[i].tokens), 2);
    }
    EXPECT_NEAR(hits / all, 0.321542, 0.5e-6);
}

TEST_F(ConversationTrace, HasItsCountsInTheFirstThousandRequests) {
    auto const trace = read_trace(path_, 1000);
    EXPECT_EQ(trace.blocks.size(), 27'305U);
    EXPECT_EQ(trace.distinct, 21'514U);
    EXPECT_EQ(replay(trace, {.capacity = 1000}).blocks.hits, 1038U);
    EXPECT_EQ(replay(trace, {.capacity = 5000}).blocks.hits, 2462U);
}

TEST_F(ConversationTrace, HitsBlockByBlockWhatLibCacheSimHits) {
    // Every block a request of its own, as simulators of caches have it. Counts of libCacheSim (commit aa0fc40), LRU_init,
    // FIFO_init and Belady_init over the same 288,500 ids, each of size 1.
    auto trace = read_trace(path_);
    trace.block_tokens = 1;
    trace.requests.clear();
    for (std::uint64_t i = 0; i < trace.blocks.size(); ++i)
        trace.requests.push_back({static_cast<std::int64_t>(i), 1, i, 1});
    struct Counted {
        char const* policy;
        std::uint64_t capacity;
        std::uint64_t hits;
    };
    for (auto const& [policy, capacity, hits] : {Counted{"lru", 1000, 12831},
                                                 {"lru", 5000, 31840},
                                                 {"lru", 10000, 60921},
                                                 {"lru", 30000, 93967},
                                                 {"fifo", 1000, 12559},
                                                 {"fifo", 5000, 30780},
                                                 {"fifo", 10000, 53812},
                                                 {"fifo", 30000, 87152},
                                                 {"belady", 1000, 54994},
                                                 {"belady", 5000, 98444},
                                                 {"belady", 10000, 105710},
                                                 {"belady", 30000, 105710}})
        EXPECT_EQ(replay(trace, {.policy = policy, .capacity = capacity}).blocks.hits, hits) << policy << capacity;
}

TEST_F(ConversationTrace, IsBoundedByBelady) {
    auto const trace = read_trace(path_);
    std::uint64_t before = 0;
    for (std::uint64_t const capacity : {1000, 5000, 10'000, 30'000}) {
        auto const bound = replay(trace, {.policy = "belady", .capacity = capacity}).blocks.hits;
        for (auto const& policy : policy_names()) {
            auto const hits = replay(trace, {.policy = policy, .capacity = capacity}).blocks.hits;
            EXPECT_LE(hits, bound) << policy << " " << capacity;
        }
        auto const lru = replay(trace, {.capacity = capacity}).blocks.hits;
        EXPECT_GE(lru, before);
        before = lru;
    }
}

}  // namespace
}  // namespace kvstone
