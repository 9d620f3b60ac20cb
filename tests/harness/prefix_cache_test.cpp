// The workload prefix_cache: a cell's figures against its sizes and its trace, and its refusals.

#include "harness/workloads/prefix_cache/prefix_cache.hpp"

#include <gmock/gmock.h>

#include "codecs/container/tensor_codec.hpp"
#include "harness/captures/load_tensors.hpp"
#include "harness/workloads/prefix_cache/prefix_cache_options.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/attempt_fixture.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t layers = 3;
constexpr std::uint64_t block_tokens = 64;

Json source() { return {{"kind", "synthetic"}, {"layers", layers}, {"kv_heads", 2}, {"head_dim", 32}, {"seed", 5}}; }

/// Bytes of the sealed containers of K and V, of all layers together or of each.
std::uint64_t sealed_bytes(std::string const& codec, bool by_layer) {
    auto const tensors = load_tensors(source(), Json::object(), block_tokens, {});
    auto const* const rope = tensors.rope ? &*tensors.rope : nullptr;
    std::uint64_t bytes = 0;
    for (auto const& [component, tensor] : {std::pair{Component::k, &*tensors.k}, {Component::v, &*tensors.v}}) {
        KvView const whole{const_cast<std::byte*>(tensor->bytes.get()), tensor->type, tensor->shape,
                           KvStrides::packed(tensor->shape)};
        auto shape = tensor->shape;
        if (by_layer) shape.layers = 1;
        for (std::uint64_t layer = 0; layer < layers; layer += shape.layers) {
            auto const text = by_layer ? Codec::parse(codec).of_layer(layer, layers) : Codec::parse(codec);
            TensorCodec coder(text, component, shape, tensor->type, BackendKind::openmp, rope);
            coder.encode(whole.box(layer, 0, 0, shape));
            bytes += coder.seal().size();
        }
    }
    return bytes;
}

class PrefixCacheWorkload : public AttemptTest {
  protected:
    Measurement measure(std::string const& codec, Json options, Json files = Json::object(), bool timing = false,
                        std::uint64_t context = block_tokens) {
        AttemptRequest request;
        request.cell.workload = "prefix_cache";
        request.cell.source = source();
        request.cell.options = std::move(options);
        request.cell.locator = Json::object();
        for (auto const& [option, path] : files.items()) {
            request.cell.options[option] = content_hash(path.get<std::string>());
            request.cell.locator["files"][option] = path;
        }
        request.cell.context = context;
        request.cell.codec = codec;
        request.cell.backend = "openmp";
        request.cell.threads = 1;
        request.measure.timeout_s = 100;
        request.measure.timing = timing;
        request.measure.min_time_s = 0.01;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        return run(request);
    }
    static bool has(Measurement const& m, std::string const& metric) {
        return std::ranges::any_of(m.figures, [&](Figure const& one) { return one.metric == metric; });
    }
};

TEST_F(PrefixCacheWorkload, CountsTheStudysRequests) {
    // 50 requests, 5 prompts of two blocks, without bounds.
    auto const m = measure("fp16", {{"prompt_tokens", 2 * block_tokens}});
    ASSERT_EQ(m.status, Status::ok) << m.reason;
    EXPECT_EQ(value(m, "block_lookups"), 100);
    EXPECT_EQ(value(m, "block_hits"), 90);
    EXPECT_EQ(value(m, "block_hit_rate"), 0.9);
    EXPECT_EQ(value(m, "token_lookups"), 100 * block_tokens);
    EXPECT_EQ(value(m, "token_hits"), 90 * block_tokens);
    EXPECT_EQ(value(m, "token_hit_rate"), 0.9);
    EXPECT_EQ(value(m, "request_lookups"), 50);
    EXPECT_EQ(value(m, "request_hits_any"), 45);
    EXPECT_EQ(value(m, "request_hits_all"), 45);
    EXPECT_EQ(value(m, "request_any_hit_rate"), 0.9);
    EXPECT_EQ(value(m, "request_all_hit_rate"), 0.9);
    EXPECT_EQ(value(m, "entries_held"), 10);
    EXPECT_EQ(value(m, "entry_writes"), 10);
    EXPECT_EQ(value(m, "evictions"), 0);
    EXPECT_FALSE(has(m, "entries")) << "there is no bound";
    EXPECT_FALSE(has(m, "time_saved_percent"));
    auto const bytes = static_cast<double>(sealed_bytes("fp16", false));
    EXPECT_EQ(value(m, "stored_entry_bytes"), bytes);
    EXPECT_EQ(value(m, "held_bytes"), 10 * bytes);
    EXPECT_EQ(value(m, "written_bytes"), 10 * bytes);
    EXPECT_EQ(value(m, "write_amplification"), 1);
    EXPECT_EQ(value(m, "token_hits_unbounded"), 90 * block_tokens);
    EXPECT_EQ(value(m, "tokens_shared_below_block"), 0);
    EXPECT_EQ(value(m, "tokens_not_shared"), 10 * block_tokens);
}

TEST_F(PrefixCacheWorkload, AddsUp) {
    for (std::string const entry : {"block", "layer"}) {
        auto const m = measure("fp16", {{"generate", "chat"},
                                        {"requests", 200},
                                        {"own_tokens", 50},
                                        {"answer_tokens", 30},
                                        {"entry", entry},
                                        {"blocks", 40},
                                        {"ttl", 25.0}});
        ASSERT_EQ(m.status, Status::ok) << m.reason;
        EXPECT_EQ(value(m, "written_bytes"),
                  value(m, "held_bytes") + value(m, "evicted_bytes") + value(m, "expired_bytes"));
        EXPECT_EQ(value(m, "entry_writes"), value(m, "entries_held") + value(m, "evictions") + value(m, "expirations"));
        EXPECT_EQ(value(m, "token_lookups"), value(m, "token_hits_unbounded") + value(m, "tokens_shared_below_block") +
                                                 value(m, "tokens_not_shared"));
        // The blocks written, again and again, over the different blocks.
        EXPECT_GT(value(m, "write_amplification"), 1);
        EXPECT_GT(value(m, "tokens_shared_below_block"), 0);
    }
}

TEST_F(PrefixCacheWorkload, TellsHowFastItsBooksAreKept) {
    auto const m = measure("fp16", {{"prompt_tokens", 2 * block_tokens}, {"threads", 2}}, Json::object(), true);
    ASSERT_EQ(m.status, Status::ok) << m.reason;
    for (std::string const rate : {"block_lookups_per_s", "hashed_lookups_per_s", "hash_ns_per_block"})
        EXPECT_GT(value(m, rate), 0) << rate;
    EXPECT_EQ(value(m, "block_hits"), 90);
}

TEST_F(PrefixCacheWorkload, FillsABudgetWithWhatTheLedgerBills) {
    for (std::string const codec : {"fp16", "nf4", "int:bits=4,axis=token,group=32 | zstd"}) {
        auto const bytes = sealed_bytes(codec, false);
        for (auto const& [budget, entries] : {std::pair{3 * bytes, 3}, {4 * bytes - 1, 3}, {6 * bytes, 6}}) {
            auto const m = measure(codec, {{"prompt_tokens", block_tokens}, {"budget", budget}});
            ASSERT_EQ(m.status, Status::ok) << m.reason;
            EXPECT_EQ(value(m, "entries"), entries) << codec;
            // Five prompts in turn: LRU of fewer than five never has the one that comes.
            EXPECT_EQ(value(m, "block_hits"), entries < 5 ? 0 : 45) << codec;
            EXPECT_EQ(value(m, "evictions"), entries < 5 ? 50 - entries : 0) << codec;
        }
    }
    auto const none = measure("fp16", {{"budget", sealed_bytes("fp16", false) - 1}});
    EXPECT_EQ(none.status, Status::skipped);
    EXPECT_THAT(none.reason, HasSubstr("an entry has"));
}

TEST_F(PrefixCacheWorkload, GivesEachLayerAnEntry) {
    std::string const codec = "last_layers(1){fp16} rest{nf4}";
    auto const m = measure(codec, {{"prompt_tokens", block_tokens}, {"entry", "layer"}, {"blocks", layers * 5}});
    ASSERT_EQ(m.status, Status::ok) << m.reason;
    EXPECT_EQ(value(m, "block_lookups"), layers * 50);
    EXPECT_EQ(value(m, "block_hits"), layers * 45);
    EXPECT_EQ(value(m, "token_hits"), 45 * block_tokens);
    EXPECT_EQ(value(m, "entries"), layers * 5);
    EXPECT_EQ(value(m, "stored_entry_bytes"), (sealed_bytes(codec, true) + layers - 1) / layers);
}

TEST_F(PrefixCacheWorkload, ReadsATraceOfItsBlockSize) {
    auto const path = cache_.write("trace.yaml", R"(block_tokens: 64
requests:
  - {time: 0 s, tokens: 100, blocks: [1, 2]}
  - {time: 5 s, tokens: 130, blocks: [1, 2, 3]}
  - {time: 11 s, tokens: 100, blocks: [1, 2]}
)");
    auto const m = measure("fp16", {{"policy", "belady"}}, {{"trace", path}});
    ASSERT_EQ(m.status, Status::ok) << m.reason;
    EXPECT_EQ(value(m, "block_hits"), 4);
    EXPECT_EQ(value(m, "token_hits"), 128 + 100);
    EXPECT_EQ(value(m, "request_hits_any"), 2);
    EXPECT_EQ(value(m, "request_hits_all"), 1);
    EXPECT_EQ(value(measure("fp16", {{"requests", 2}}, {{"trace", path}}), "block_lookups"), 5);
    auto const expired = measure("fp16", {{"ttl", 10.0}}, {{"trace", path}});
    EXPECT_EQ(value(expired, "block_hits"), 2);
    EXPECT_EQ(value(expired, "expirations"), 2);
    EXPECT_EQ(value(measure("fp16", {{"ttl", 10.0}, {"ttl_from", "hit"}}, {{"trace", path}}), "block_hits"), 4);
    EXPECT_EQ(value(measure("fp16", {{"ttl", 11.0}, {"ttl_end", "miss"}}, {{"trace", path}}), "block_hits"), 2);
    auto const twice = measure("fp16", {{"admission", "second-touch"}}, {{"trace", path}});
    EXPECT_EQ(value(twice, "block_hits"), 2);
    EXPECT_EQ(value(twice, "writes_avoided"), 3);
    auto const other = measure("fp16", Json::object(), {{"trace", path}}, false, 32);
    EXPECT_EQ(other.status, Status::skipped);
    EXPECT_THAT(other.reason, HasSubstr("context: [64]"));
}

TEST_F(PrefixCacheWorkload, TellsTheTimeSavedWhereItTakesTimes) {
    Json const options = {
        {"prompt_tokens", 4 * block_tokens}, {"prefill_us_per_token", 1e5}, {"link_bandwidth", 1'000'000'000'000}};
    // A tenth of a second a token: coding in microseconds saves all hits, 45 prompts but their last tokens.
    auto const m = measure("fp16", options, Json::object(), true);
    ASSERT_EQ(m.status, Status::ok) << m.reason;
    EXPECT_NEAR(value(m, "time_saved_percent"), 100.0 * 45 * 255 / (50 * 256), 1);
    EXPECT_EQ(value(m, "refused_hits"), 0);
    // float32, K and V.
    constexpr double block_bytes = 4.0 * 2 * layers * 2 * block_tokens * 32;
    for (std::string const pass : {"encode", "decode"})
        EXPECT_DOUBLE_EQ(value(m, pass + "_gb_per_s"), block_bytes / value(m, pass + "_ns")) << pass;
    EXPECT_FALSE(has(measure("fp16", options), "time_saved_percent")) << "no times, no rates";
}

TEST(TimeSaved, FollowsTheFormula) {
    // Blocks of 10 tokens, 400 bytes stored; requests of 30 and 25 tokens, of which 20 and all 25 were there; 3 blocks written.
    RequestTrace const trace{
        .block_tokens = 10, .requests = {{0, 30, 0, 3}, {0, 25, 3, 3}}, .blocks = {}, .distinct = 3};
    ReplayResult replayed;
    replayed.hit_tokens = {20, 25};
    replayed.blocks.writes = 3;
    EntryCost cost{
        .block_tokens = 10, .values = 800, .stored_bytes = 400, .entries = 1, .encode_s = 3.0, .decode_s = 2.0};
    ServingModel model{
        .prefill_us_per_token = 1e6, .prefill_ns_per_token_squared = 1e8, .link_bytes_per_s = 400, .lookup_us = 5e5};
    // T(n) = n + .1 n^2: T(30) = 120, T(25) = 87.5, T(20) = 60, T(24) = 81.6. load(k) = .5 + .1 k + .2 k: 6.5 and 7.7.
    // Writing takes 1 + 3 seconds a block.
    auto const all = 120 + 87.5;
    auto const apart = time_saved(trace, replayed, cost, model);
    EXPECT_NEAR(apart.percent, 100 * (60 - 6.5 + 81.6 - 7.7 - 3 * 4) / all, 1e-9);
    EXPECT_EQ(apart.refused_hits, 0U);
    // Overlapped: the larger of 1 and 2 seconds a block to load, of 1 and 3 to write.
    model.overlapped = true;
    EXPECT_NEAR(time_saved(trace, replayed, cost, model).percent, 100 * (60 - 4.5 + 81.6 - 5.3 - 3 * 3) / all, 1e-9);
    // Two entries a block: half as many blocks were written.
    cost.entries = 2;
    EXPECT_NEAR(time_saved(trace, replayed, cost, model).percent, 100 * (60 - 4.5 + 81.6 - 5.3 - 1.5 * 3) / all, 1e-9);
    // load(20) = 62.5 > T(20), load(24) = 74.9 < T(24): the first hit is computed.
    cost.entries = 1;
    cost.decode_s = 31.0;
    auto const slow = time_saved(trace, replayed, cost, model);
    EXPECT_NEAR(slow.percent, 100 * (81.6 - 74.9 - 3 * 3) / all, 1e-9);
    EXPECT_EQ(slow.refused_hits, 1U);
}

TEST(PrefixCacheOptions, ThatDoNotBelongTogetherAreRefused) {
    auto const refusal = [](Json const& options) -> std::string {
        try {
            check_prefix_cache(options, Json::object());
        } catch (ConfigError const& error) {
            return error.what();
        }
        return "not refused";
    };
    for (auto const& [options, why] : std::vector<std::pair<Json, std::string>>{
             {{{"blocks", 5}, {"budget", 5}}, "a number of blocks or a number of bytes"},
             {{{"turns", 3}}, "requests of kind rotation have no such option: 'turns'"},
             {{{"generate", "zipf"}, {"users", 3}}, "requests of kind zipf have no such option: 'users'"},
             {{{"zipf_exponent", 2.0}}, "prompts take turns"},
             {{{"trace", "abc"}, {"seed", 2}}, "nothing is drawn: 'seed'"},
             {{{"ttl_from", "hit"}}, "without a ttl"},
             {{{"ttl_end", "miss"}}, "without a ttl"},
             {{{"link_bandwidth", 5}}, "time saved needs both"},
             {{{"prefill_us_per_token", 5.0}}, "time saved needs both"},
             {{{"overlap", "on"}}, "time saved needs the time of computing"},
             {{{"lookup_us", 1.0}}, "time saved needs the time of computing"},
             {{{"mode", "live"}, {"lookup_us", 1.0}}, "time saved needs the time of computing"}})
        EXPECT_THAT(refusal(options), HasSubstr(why)) << options;
    EXPECT_EQ(refusal({{"generate", "chat"}, {"zipf_exponent", 2.0}, {"users", 3}, {"ttl", 3.0}, {"ttl_from", "hit"}}),
              "not refused");
    EXPECT_EQ(refusal(Json::object()), "not refused");
    // The time of computing is measured there.
    EXPECT_EQ(refusal({{"mode", "live"}, {"link_bandwidth", 5}, {"lookup_us", 1.0}}), "not refused");
}

}  // namespace
}  // namespace kvstone
