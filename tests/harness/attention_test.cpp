// The workload attention: its figures against the definition, and its refusals.

#include "harness/workloads/attention/attention.hpp"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codecs/container/tensor_codec.hpp"
#include "harness/captures/load_tensors.hpp"
#include "harness/files/safetensors.hpp"
#include "harness/sources/dump.hpp"
#include "harness/sources/latent.hpp"
#include "harness/workloads/attention/attention_figures.hpp"
#include "scenarios/content_hash.hpp"
#include "scenarios/errors.hpp"
#include "tests/attention_reference.hpp"
#include "tests/harness/source_test_files.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

constexpr double accepted = 1e-6;

Json small_source(std::uint64_t heads = 8) {
    return {{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 2}, {"heads", heads}, {"head_dim", 64}, {"seed", 3}};
}

/// Runs the program with the misbehaving stage.
class AttentionWorkload : public testing::Test {
  protected:
    void SetUp() override { setenv("KVSTONE_ATTEMPT", (programs_folder() + "/kvstone-attempt-faults").c_str(), 1); }
    void TearDown() override { unsetenv("KVSTONE_ATTEMPT"); }

    Measurement run(std::string const& codec, std::uint64_t context = 100, int threads = 1,
                    Json const& options = Json::object(), Json const& source = small_source(),
                    Json const& locator = Json::object()) {
        AttemptRequest request;
        request.cell.workload = "attention";
        request.cell.options = options;
        request.cell.source = source;
        request.cell.locator = locator;
        request.cell.context = context;
        request.cell.codec = codec;
        request.cell.backend = "openmp";
        request.cell.threads = threads;
        identify(request.cell);
        request.measure.timeout_s = 100;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        return run_attempt(spawner_, request);
    }
    static std::optional<double> value(Measurement const& measurement, std::string const& metric) {
        auto const found = std::ranges::find_if(measurement.figures, [&](Figure const& figure) {
            return figure.component == "kv" && figure.metric == metric;
        });
        if (found == measurement.figures.end()) ADD_FAILURE() << "no figure " << metric;
        return found == measurement.figures.end() ? std::nullopt : found->value;
    }

    ScratchFolder folder_;

  private:
    Spawner spawner_;
};

/// The decoded tensor of a codec, for these tests.
std::vector<std::byte> decoded(HostTensor const& tensor, Component component, std::string const& codec) {
    TensorCodec encoder(Codec::parse(codec), component, tensor.shape, tensor.type, BackendKind::openmp);
    encoder.encode(
        {const_cast<std::byte*>(tensor.bytes.get()), tensor.type, tensor.shape, KvStrides::packed(tensor.shape)});
    return decode_container(encoder.seal());
}

/// One vector's values, of every token and head.
HostTensor tensor_of(KvShape const& shape, std::vector<float> const& vector) {
    std::shared_ptr<float[]> const values(new float[shape.values()]);
    for (std::size_t i = 0; i < shape.values(); ++i) values[i] = vector[i % vector.size()];
    return {ElementType::f32, shape, {values, reinterpret_cast<std::byte*>(values.get())}};
}

std::vector<QueryComparison> expected_queries(std::string const& codec, std::uint64_t context,
                                              QuerySample const& sample, AttentionFault fault = AttentionFault::none) {
    auto const tensors = load_tensors(small_source(), {}, context, {.q = true, .q_sample = sample});
    auto k = decoded(*tensors.k, Component::k, codec), v = decoded(*tensors.v, Component::v, codec);
    auto const view = [](HostTensor const& tensor, std::byte const* data) -> KvView {
        return {const_cast<std::byte*>(data), tensor.type, tensor.shape, KvStrides::packed(tensor.shape)};
    };
    return attention_reference(
        {view(*tensors.q, tensors.q->bytes.get()), tensors.q_positions.data(), view(*tensors.k, tensors.k->bytes.get()),
         view(*tensors.v, tensors.v->bytes.get()), view(*tensors.k, k.data()), view(*tensors.v, v.data()), 0.125},
        fault);
}

void expect_near(std::optional<double> found, double expected, char const* what) {
    ASSERT_TRUE(found) << what;
    EXPECT_NEAR(*found / expected, 1, accepted) << what;
}

TEST_F(AttentionWorkload, FiguresAreWhatTheirFormulasSay) {
    for (auto const* codec : {"fp16", "int8", "int:bits=4,axis=token,group=32"}) {
        auto const m = run(codec, 100, 1, {{"queries", 7}, {"spread", "all"}});
        ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
        auto const queries = expected_queries(codec, 100, {7, QuerySpread::all});
        ASSERT_EQ(queries.size(), 2U * 8 * 7);
        double error_squares = 0, squares = 0, kl = 0, output = 0, top = 0;
        double kl_most = 0, output_most = 0, top_least = 1;
        for (auto const& query : queries) {
            double const off = std::sqrt(query.output_error_squares / query.output_squares);
            error_squares += query.logit_error_squares;
            squares += query.logit_squares;
            kl += query.kl / static_cast<double>(queries.size());
            output += off / static_cast<double>(queries.size());
            top += query.top_shared / static_cast<double>(queries.size());
            kl_most = std::max(kl_most, query.kl);
            output_most = std::max(output_most, off);
            top_least = std::min(top_least, query.top_shared);
        }
        // Of 112 queries 99.9% are all.
        expect_near(value(m, "attention_logit_error"), std::sqrt(error_squares / squares), codec);
        expect_near(value(m, "attention_kl"), kl, codec);
        expect_near(value(m, "attention_kl_p999"), kl_most, codec);
        expect_near(value(m, "attention_output_error"), output, codec);
        expect_near(value(m, "attention_output_error_p999"), output_most, codec);
        expect_near(value(m, "attention_top8_overlap"), top, codec);
        expect_near(value(m, "attention_top8_overlap_p001"), top_least, codec);
        double swapped = 0;
        for (auto const& query : expected_queries(codec, 100, {7, QuerySpread::all}, AttentionFault::swapped_kl))
            swapped += query.kl / static_cast<double>(queries.size());
        EXPECT_GT(std::fabs(*value(m, "attention_kl") / swapped - 1), accepted) << codec;
        EXPECT_EQ(std::ranges::count(m.profiles, "attention_kl", &ProfileFigure::metric), 2 * 8);
    }
}

TEST_F(AttentionWorkload, ACodecThatLosesNothingDiffersByNothing) {
    for (std::uint64_t const context : {1, 2, 100, 300}) {
        auto const m = run("raw | zstd", context);
        ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
        for (auto const* metric : {"attention_logit_error", "attention_kl", "attention_kl_p999",
                                   "attention_output_error", "attention_output_error_p999"})
            EXPECT_EQ(value(m, metric), 0.0) << metric << " at " << context;
        EXPECT_EQ(value(m, "attention_top8_overlap"), 1.0);
        EXPECT_EQ(value(m, "attention_top8_overlap_p001"), 1.0);
        EXPECT_GT(value(m, "bits_per_value"), 0.0);
    }
}

TEST_F(AttentionWorkload, FiguresAreTheSameForAnyNumberOfThreads) {
    auto const one = run("int8", 700, 1);
    auto const two = run("int8", 700, 2);
    ASSERT_EQ(one.status, Status::ok) << one.reason << one.stderr_tail;
    ASSERT_EQ(one.figures.size(), two.figures.size());
    for (std::size_t i = 0; i < one.figures.size(); ++i) {
        if (one.figures[i].metric == "peak_rss_bytes") continue;
        EXPECT_EQ(one.figures[i].value, two.figures[i].value) << one.figures[i].metric;
    }
}

TEST_F(AttentionWorkload, DumpsGiveWhatTheirSourceGives) {
    auto const path = folder_ / "all.safetensors";
    auto tensors = load_tensors(small_source(), {}, 100, {.q = true});
    write_dump(path, tensors);
    auto const source = [&] { return Json{{"kind", "dump"}, {"sha256", content_hash(path)}}; };
    auto const dumped = run("int8", 0, 1, Json::object(), source(), {{"path", path}});
    auto const made = run("int8", 100);
    ASSERT_EQ(dumped.status, Status::ok) << dumped.reason;
    for (auto const* metric : {"attention_logit_error", "attention_kl_p999", "attention_output_error"})
        EXPECT_EQ(value(dumped, metric), value(made, metric)) << metric;

    auto const refused = [&](std::string const& reason, Status status = Status::error) {
        write_dump(path, tensors);
        auto const m = run("int8", 0, 1, Json::object(), source(), {{"path", path}});
        EXPECT_EQ(m.status, status);
        EXPECT_THAT(m.reason, HasSubstr(reason));
        EXPECT_TRUE(m.figures.empty());
    };
    tensors.q.reset();
    refused("attention needs K, V and Q, and the source has no Q", Status::skipped);
    tensors.q = load_tensors(small_source(3), {}, 100, {.k = false, .v = false, .q = true}).q;
    refused("3 query heads are no multiple of 2 KV heads");
    tensors.q->shape = {2, 2, 100, 96};
    refused("Q of 2 x 96 layers and channels, K of 2 x 64");
}

/// Every token holds the same: whatever the queries, the output is the latent. 17/16 lies halfway between two numbers of
/// fp8 and becomes 1, 3 stays 3: had the output more channels than the latent, or others, it would be off by another
/// share.
TEST_F(AttentionWorkload, OfLatentAttentionTheLatentIsWhatIsRead) {
    HostTensor const k = tensor_of({1, 1, 4, 5}, {1.0625F, 1.0625F, 1.0625F, 3, 3});
    auto const path = folder_ / "latent.safetensors";
    write_safetensors(path, {{"k", k}, {"q", tensor_of({1, 2, 4, 5}, {1, -1, 0.5F, 2, 0})}}, Json::object());
    Json source{{"kind", "dump"}, {"sha256", content_hash(path)}, {"latent", 3}, {"query_dim", 4}};
    auto const m = run("fp8:format=e4m3", 0, 1, {{"queries", 4}}, source, {{"path", path}});
    ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
    EXPECT_NEAR(*value(m, "attention_output_error"), 1.0 / 17, 1e-12);
    EXPECT_NEAR(*value(m, "attention_kl"), 0, 1e-12);
    EXPECT_TRUE(std::ranges::none_of(m.figures, [](auto const& figure) { return figure.component == "v"; }));
    // Without being told it is a K whose V is missing.
    source.erase("latent");
    auto const untold = run("fp8:format=e4m3", 0, 1, Json::object(), source, {{"path", path}});
    EXPECT_EQ(untold.status, Status::skipped);
    EXPECT_THAT(untold.reason, HasSubstr("the source has no V"));
}

TEST_F(AttentionWorkload, OfLatentAttentionIsWhatItsFormulasSay) {
    Json const synthetic{{"kind", "synthetic"}, {"layers", 2},  {"kv_heads", 1}, {"heads", 4},
                         {"head_dim", 24},      {"latent", 16}, {"format", 2}};
    auto const path = folder_ / "dumped.safetensors";
    write_dump(path, load_tensors(synthetic, {}, 100, {.q = true}));
    auto foreign = load_tensors(synthetic, {}, 100, {.q = true});
    foreign.latent = 0;
    auto const foreign_path = folder_ / "foreign.safetensors";
    write_dump(foreign_path, foreign);
    QuerySample const sample{7, QuerySpread::all};
    struct Case {
        Json source;
        Json locator;
        std::uint64_t latent;
        double query_dim;
    };
    for (auto const& [source, locator, latent, query_dim] :
         {Case{synthetic, Json::object(), 16, 24},
          Case{{{"kind", "dump"}, {"sha256", content_hash(path)}}, {{"path", path}}, 16, 24},
          Case{{{"kind", "dump"}, {"sha256", content_hash(foreign_path)}, {"latent", 10}, {"query_dim", 6}},
               {{"path", foreign_path}},
               10,
               6}}) {
        auto const m = run("int8", 100, 1, {{"queries", 7}, {"spread", "all"}}, source, locator);
        ASSERT_EQ(m.status, Status::ok) << m.reason << m.stderr_tail;
        auto const tensors = load_tensors(source, locator, 100, {.q = true, .q_sample = sample});
        auto k = decoded(*tensors.k, Component::k, "int8");
        auto const view = [](HostTensor const& tensor, std::byte const* data) -> KvView {
            return {const_cast<std::byte*>(data), tensor.type, tensor.shape, KvStrides::packed(tensor.shape)};
        };
        auto const original = view(*tensors.k, tensors.k->bytes.get());
        auto const of_codec = view(*tensors.k, k.data());
        auto const queries = attention_reference({view(*tensors.q, tensors.q->bytes.get()), tensors.q_positions.data(),
                                                  original, latent_of(original, latent), of_codec,
                                                  latent_of(of_codec, latent), 1 / std::sqrt(query_dim)});
        double kl = 0, output = 0;
        for (auto const& query : queries) {
            kl += query.kl / static_cast<double>(queries.size());
            output +=
                std::sqrt(query.output_error_squares / query.output_squares) / static_cast<double>(queries.size());
        }
        expect_near(value(m, "attention_kl"), kl, "KL");
        expect_near(value(m, "attention_output_error"), output, "output");
    }
}

TEST_F(AttentionWorkload, ValuesThatAreNotFiniteAreRefusedNotMeasured) {
    auto const m = run("fault:how=infinite");
    EXPECT_EQ(m.status, Status::verify_failed);
    EXPECT_THAT(m.reason, HasSubstr("decoded as NaN or infinity"));
    EXPECT_TRUE(std::ranges::none_of(m.figures, [](auto const& f) { return f.metric == "attention_kl"; }));
}

TEST(AttentionSummaries, TailsAreOrderStatistics) {
    std::vector<QueryComparison> queries(2000);
    for (std::size_t i = 0; i < queries.size(); ++i)
        queries[i] = {10, 4, 1, static_cast<double>(i), 1, 0.25, i == 7 ? 0.0 : i < 2 ? 0.5 : 1.0};
    auto const summary = summarise_attention(queries);
    EXPECT_EQ(summary.logit_error, 0.5);
    EXPECT_EQ(summary.kl, 999.5);
    EXPECT_EQ(summary.kl_p999, 1997);
    EXPECT_EQ(summary.output_error, 0.5);
    EXPECT_EQ(summary.top8_overlap_p001, 0.5);
    EXPECT_NEAR(*summary.top8_overlap, 1 - 2.0 / 2000, 1e-12);
    EXPECT_FALSE(summarise_attention({}).kl);
    EXPECT_FALSE(summarise_attention({{1, 0, 1, 0, 1, 0, 1}}).logit_error);
    EXPECT_EQ(summarise_attention({{1, 0, 0, 0, 0, 0, 1}}).output_error, 0);
    EXPECT_EQ(summarise_attention({{1, 0, 0, 0, 0, 1, 1}}).output_error, 1);
}

TEST(QuerySamples, AreSpreadAndEndWithTheLastToken) {
    using Positions = std::vector<std::uint64_t>;
    EXPECT_EQ((QuerySample{4, QuerySpread::half}).positions(16), (Positions{9, 11, 13, 15}));
    EXPECT_EQ((QuerySample{4, QuerySpread::all}).positions(16), (Positions{3, 7, 11, 15}));
    EXPECT_EQ((QuerySample{4, QuerySpread::last}).positions(16), (Positions{12, 13, 14, 15}));
    EXPECT_EQ((QuerySample{64, QuerySpread::half}).positions(5), (Positions{2, 3, 4}));
    EXPECT_EQ((QuerySample{64, QuerySpread::last}).positions(1), (Positions{0}));
    EXPECT_EQ((QuerySample{}).positions(3), (Positions{0, 1, 2}));
    EXPECT_THROW(query_spread_named("middle"), ConfigError);
}

TEST(QuerySamples, AreRowsOfTheWholeQ) {
    for (auto const* distribution : {"llama", "normal"}) {
        auto source = small_source();
        source["distribution"] = distribution;
        auto const whole = *load_tensors(source, {}, 90, {.q = true}).q;
        auto const some = load_tensors(source, {}, 90, {.q = true, .q_sample = {7, QuerySpread::half}});
        ASSERT_EQ(some.q->shape, (KvShape{2, 8, 7, 64}));
        for (std::uint64_t head = 0; head < 16; ++head)
            for (std::uint64_t i = 0; i < 7; ++i)
                EXPECT_EQ(std::memcmp(some.q->bytes.get() + (head * 7 + i) * 256,
                                      whole.bytes.get() + (head * 90 + some.q_positions[i]) * 256, 256),
                          0)
                    << distribution;
    }
}

TEST(AttentionOptions, AreThoseOfTheSample) {
    auto const options = attention_options();
    ASSERT_EQ(options.size(), 2U);
    EXPECT_EQ(options[0].name, "queries");
    EXPECT_EQ(options[0].by_default, 64);
    EXPECT_EQ(options[0].least, 1U);
    EXPECT_EQ(options[0].most, 65536U);
    EXPECT_EQ(options[1].name, "spread");
    EXPECT_EQ(options[1].by_default, "half");
    EXPECT_EQ(options[1].choices, (std::vector<std::string>{"half", "all", "last"}));
}

}  // namespace
}  // namespace kvstone
