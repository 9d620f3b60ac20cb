// Mode live of prefix_cache: it has the counts of mode account, and stores the bytes that it bills.

#include <array>
#include <filesystem>
#include <iterator>

#include <gmock/gmock.h>

#include "harness/workloads/prefix_cache/generated_trace.hpp"
#include "harness/workloads/prefix_cache/hashed_replay.hpp"
#include "harness/workloads/prefix_cache/prefill_fit.hpp"
#include "harness/workloads/prefix_cache/request_keys.hpp"
#include "tests/harness/attempt_fixture.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t layers = 2;
constexpr std::uint64_t block_tokens = 32;

/// Everything that is counted; and in bytes, where blocks of a codec take the same.
constexpr std::array counts{
    "block_lookups", "block_hits",      "token_lookups",    "token_hits",       "token_hits_unbounded",
    "entries",       "request_lookups", "request_hits_any", "request_hits_all", "entries_held",
    "entry_writes",  "writes_avoided",  "evictions",        "expirations"};
constexpr std::array byte_counts{"stored_entry_bytes", "held_bytes",    "written_bytes",
                                 "evicted_bytes",      "expired_bytes", "write_amplification"};

class LiveCache : public AttemptTest {
  protected:
    AttemptRequest drawn(std::string const& codec, Json options) {
        AttemptRequest request;
        request.cell.workload = "prefix_cache";
        request.cell.source = {
            {"kind", "synthetic"}, {"layers", layers}, {"kv_heads", 2}, {"head_dim", 32}, {"seed", 5}};
        request.cell.options = std::move(options);
        request.cell.locator = Json::object();
        request.cell.context = block_tokens;
        request.cell.codec = codec;
        request.cell.backend = "openmp";
        request.cell.threads = 1;
        request.measure.timeout_s = 200;
        request.measure.timing = false;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        return request;
    }
    Measurement in_mode(AttemptRequest request, std::string const& mode, int clients = 1) {
        if (mode != "account") request.cell.options["mode"] = mode;
        if (clients > 1) request.cell.options["threads"] = clients;
        return run(request);
    }
    static bool has(Measurement const& m, std::string const& metric) {
        return std::ranges::any_of(m.figures, [&](Figure const& one) { return one.metric == metric; });
    }
    void expect_agreement(AttemptRequest const& request, bool bytes_too) {
        auto const account = in_mode(request, "account");
        ASSERT_EQ(account.status, Status::ok) << account.reason;
        EXPECT_EQ(in_mode(request, "account", 3).figures.size(), account.figures.size());
        for (int const clients : {1, 3}) {
            auto const live = in_mode(request, "live", clients);
            ASSERT_EQ(live.status, Status::ok) << live.reason << live.stderr_tail;
            for (auto const* metric : counts)
                if (has(account, metric) || has(live, metric)) {  // entries: only where there is a bound
                    EXPECT_EQ(value(live, metric), value(account, metric)) << metric;
                }
            for (auto const* metric : byte_counts)
                EXPECT_TRUE(!bytes_too || value(live, metric) == value(account, metric)) << metric;
            EXPECT_EQ(value(live, "written_bytes"),
                      value(live, "held_bytes") + value(live, "evicted_bytes") + value(live, "expired_bytes"));
            EXPECT_GT(value(live, "entries_verified"), 0);
        }
    }
};

Json const chat = {{"generate", "chat"}, {"requests", 60},      {"prompts", 3}, {"prompt_tokens", 2 * block_tokens},
                   {"own_tokens", 40},   {"answer_tokens", 24}, {"turns", 4},   {"users", 4}};

Json with(Json options, Json const& more) {
    options.update(more);
    return options;
}

TEST_F(LiveCache, CountsWhatTheBooksCount) {
    for (auto const& more : std::vector<Json>{Json::object(),
                                              {{"blocks", 12}},
                                              {{"blocks", 12}, {"policy", "belady"}},
                                              {{"blocks", 9}, {"policy", "s3fifo"}, {"order", "deepest_first"}},
                                              {{"blocks", 20}, {"entry", "layer"}},
                                              {{"blocks", 20}, {"entry", "layer"}, {"policy", "belady"}},
                                              {{"ttl", 9.0}, {"blocks", 30}},
                                              {{"admission", "second-touch"}, {"blocks", 12}}})
        expect_agreement(drawn("nf4", with(chat, more)), true);
    // The size after entropy coding differs from block to block.
    expect_agreement(drawn("int:bits=4,axis=token,group=32 | zstd", with(chat, {{"blocks", 12}})), false);
}

TEST_F(LiveCache, HoldsABudgetOfBytes) {
    auto request = drawn("fp16", with(chat, {{"blocks", 10}}));
    auto const entry = value(in_mode(request, "account"), "stored_entry_bytes");
    request.cell.options = with(chat, {{"budget", static_cast<std::uint64_t>(7 * entry)}});
    expect_agreement(request, true);
    auto const live = in_mode(request, "live");
    EXPECT_EQ(value(live, "entries"), 7);
    EXPECT_EQ(value(live, "held_bytes"), 7 * entry);
    // float32 to fp16 and back: not nothing, and little.
    EXPECT_GT(value(live, "nmse"), 0);
    EXPECT_LT(value(live, "nmse"), 1e-6);
    auto const exact = in_mode(drawn("raw", chat), "live");
    EXPECT_EQ(value(exact, "max_abs_error"), 0);
}

TEST_F(LiveCache, TakesKAndVFromTheModel) {
    auto request = model_request({}, "prefix_cache", "fp16",
                                 with(chat, {{"requests", 12}, {"blocks", 10}, {"prompt_tokens", 32}}), block_tokens);
    expect_agreement(request, true);
    // Behind blocks stored in full precision the model computes the same as without a cache: the blocks' own values.
    request.cell.codec = "raw";
    request.measure.timing = true;
    request.measure.repetitions = 1;
    request.measure.min_time_s = 0.01;
    auto const live = in_mode(request, "live");
    ASSERT_EQ(live.status, Status::ok) << live.reason << live.stderr_tail;
    EXPECT_EQ(value(live, "max_abs_error"), 0);
    EXPECT_GT(value(live, "prefill_us_per_token"), 0);
    EXPECT_GE(value(live, "prefill_ns_per_token_squared"), 0);
    EXPECT_LE(value(live, "time_saved_percent"), 100);
    EXPECT_LE(value(live, "time_saved_by_clock_percent"), 100);
    EXPECT_GT(value(live, "read_gb_per_s"), 0);
    EXPECT_GT(value(live, "write_gb_per_s"), 0);
    EXPECT_GT(value(live, "block_lookups_per_s"), 0);
}

TEST_F(LiveCache, RefusesWhatTheMachineCannotHold) {
    // 2 MiB a block, 100 requests of 128 blocks.
    auto request = drawn("raw", with(chat, {{"requests", 100}, {"own_tokens", 4096}, {"users", 100}}));
    request.cell.source.update({{"layers", 8}, {"kv_heads", 8}, {"head_dim", 128}});
    request.measure.memory_bytes = std::uint64_t{2} << 30U;
    auto const refused = in_mode(request, "live");
    EXPECT_EQ(refused.status, Status::error);
    EXPECT_THAT(refused.reason, HasSubstr("GiB of memory are there: ask for fewer requests"));
}

TEST_F(LiveCache, KeepsWhatWasMeasuredForTheNextCell) {
    auto const request = drawn("nf4", chat);
    auto const first = in_mode(request, "account");
    auto const files = [&] { return std::distance(std::filesystem::recursive_directory_iterator(cache_ / ""), {}); };
    auto const before = files();
    auto other = request;
    other.cell.options["policy"] = "fifo";
    auto const second = in_mode(other, "account");
    EXPECT_EQ(value(first, "stored_entry_bytes"), value(second, "stored_entry_bytes"));
    EXPECT_EQ(files(), before) << "one entry for all policies";
    other.cell.options["entry"] = "layer";
    EXPECT_LT(value(in_mode(other, "account"), "stored_entry_bytes"), value(first, "stored_entry_bytes"));
    EXPECT_GT(files(), before);
}

TEST(HashedReplays, CountWhatNumbersCount) {
    auto const trace =
        generate_trace({.kind = "chat", .requests = 300, .own_tokens = 40, .answer_tokens = 30}, 16, plain_root_key);
    for (auto const& policy : policy_names())
        for (std::uint64_t const of_block : {1, 3})
            for (std::uint64_t const clients : {1, 4}) {
                StoreRules const rules{.policy = policy, .capacity = 150};
                EXPECT_EQ(replay_hashed(trace, rules, of_block, clients, plain_root_key).replayed,
                          replay(with_layers(trace, of_block), rules, of_block))
                    << policy << " " << of_block << " " << clients;
            }
}

TEST(RequestKeys, AreTheChainsOfTheBlocksTokens) {
    RequestTrace const trace{.block_tokens = 8, .requests = {{0, 21, 0, 2}}, .blocks = {7, 4}, .distinct = 2};
    BlockTokens const tokens(8, 100);
    std::vector<std::uint32_t> text;
    tokens.append(7, text);
    tokens.append(4, text);
    EXPECT_TRUE(std::ranges::all_of(text, [](auto token) { return token < 100; }));
    EXPECT_NE(std::vector(text.begin(), text.begin() + 8), std::vector(text.begin() + 8, text.end()));
    EXPECT_EQ(request_keys(plain_root_key, trace, trace.requests[0], tokens, 1), block_keys(plain_root_key, text, 8));
    EXPECT_EQ(request_keys(plain_root_key, trace, trace.requests[0], tokens, 3).size(), 6U);
    // Five tokens are in no block.
    auto const all = tokens.of(trace, trace.requests[0]);
    EXPECT_EQ(all.size(), 21U);
    EXPECT_TRUE(std::equal(text.begin(), text.end(), all.begin()));
}

TEST(PrefillFits, FindTheNumbersOfTheFormula) {
    auto const measured = [](double a, double b) {
        std::vector<std::pair<double, double>> points;
        for (double const n : {100.0, 200.0, 300.0, 400.0}) points.emplace_back(n, a * n + b * n * n);
        return points;
    };
    auto const fit = fit_prefill(measured(2e-4, 3e-7));
    EXPECT_NEAR(fit.us_per_token, 200, 1e-6);
    EXPECT_NEAR(fit.ns_per_token_squared, 300, 1e-6);
    EXPECT_NEAR(fit.largest_error_percent, 0, 1e-9);
    // Neither number is negative; then the other explains a part.
    auto const faster = fit_prefill(measured(2e-4, -1e-7));
    EXPECT_EQ(faster.ns_per_token_squared, 0);
    EXPECT_GT(faster.us_per_token, 0);
    EXPECT_GT(faster.largest_error_percent, 1);
    auto const steep = fit_prefill(measured(-1e-6, 3e-7));
    EXPECT_EQ(steep.us_per_token, 0);
    EXPECT_GT(steep.ns_per_token_squared, 0);
}

}  // namespace
}  // namespace kvstone
