// The workload attention with codecs that drop tokens: its figures against the definition, and where such codecs go.

#include "harness/workloads/attention/dropped_tokens.hpp"

#include <cstring>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/workloads/attention/attention.hpp"
#include "harness/workloads/attention/attention_figures.hpp"
#include "tests/attention_reference.hpp"
#include "tests/harness/attempt_fixture.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t context = 150, judged = 8, prompt = context - judged;

Json small_source() {
    return {{"kind", "synthetic"}, {"layers", 2}, {"kv_heads", 2}, {"heads", 8}, {"head_dim", 64}, {"seed", 3}};
}

class DroppedTokens : public AttemptTest {
  protected:
    static AttemptRequest request(std::string const& codec, Json const& source = small_source()) {
        AttemptRequest request;
        auto& cell = request.cell;
        cell.workload = "attention";
        cell.options = {{"queries", judged}, {"spread", "last"}};
        cell.source = source;
        cell.locator = Json::object();
        cell.context = context;
        cell.codec = Codec::parse(codec).text();
        cell.backend = "openmp";
        request.measure.timing = false;
        request.measure.timeout_s = 100;
        request.attempt_id = "0123456789abcdef0123456789abcdef";
        return request;
    }
    static bool has(Measurement const& measurement, std::string const& metric) {
        return std::ranges::any_of(measurement.figures, [&](Figure const& one) { return one.metric == metric; });
    }
    static std::map<std::string, std::optional<double>> attention_of(Measurement const& measurement) {
        std::map<std::string, std::optional<double>> values;
        for (auto const& one : measurement.figures)
            if (one.metric.starts_with("attention_") && one.metric != "attention_mass_kept")
                values[one.metric] = one.value;
        return values;
    }
};

TEST_F(DroppedTokens, WhereAllStayNoFigureChangesABit) {
    auto const raw = attention_of(run(request("raw")));
    auto const eight = attention_of(run(request("int8")));
    ASSERT_EQ(raw.size(), 7U);
    EXPECT_NE(raw, eight);
    for (auto const* policy :
         {"streaming", "random", "knorm", "h2o", "snapkv", "tova", "expected_attention", "pyramid"}) {
        auto const keep = std::string("keep:policy=") + policy + ",share=1 | ";
        auto const measurement = run(request(keep + "raw"));
        ASSERT_EQ(measurement.status, Status::ok) << measurement.reason << measurement.stderr_tail;
        EXPECT_EQ(attention_of(measurement), raw) << policy;
        EXPECT_EQ(attention_of(run(request(keep + "int8"))), eight) << policy;
        EXPECT_EQ(figure(measurement, "kept_share").value, 1);
        EXPECT_EQ(figure(measurement, "attention_mass_kept").value, 1);
    }
}

TEST_F(DroppedTokens, FiguresAreWhatTheirFormulasSay) {
    auto const tensors = load_tensors(small_source(), {}, context, {.q = true});
    auto const positions = QuerySample{judged, QuerySpread::last}.positions(context);
    ASSERT_EQ(positions.front(), prompt);
    auto const q = queries_at(*tensors.q, positions);
    auto const view = [](HostTensor const& tensor) -> KvView {
        return {const_cast<std::byte*>(tensor.bytes.get()), tensor.type, tensor.shape, KvStrides::packed(tensor.shape)};
    };
    auto const k = view(*tensors.k), v = view(*tensors.v);
    for (auto const* options :
         {"policy=streaming,share=.3", "policy=knorm,share=.25,sink=0,window=0", "policy=h2o,share=.5,window=8",
          "policy=snapkv,share=.4,window=16,over=layer", "policy=tova,share=.2,window=1,over=all",
          "policy=expected_attention,share=.3,window=4", "policy=pyramid,share=.4,window=2,sink=0"}) {
        auto const text = std::string("keep:") + options + " | raw";
        auto const keep = *Codec::parse(text).selection();
        auto const selection = select_before(prompt, keep, tensors);
        auto const stays = stays_of(selection, context);
        auto const queries = attention_reference({.q = view(q),
                                                  .last_visible = positions.data(),
                                                  .k = k,
                                                  .v = v,
                                                  .k_decoded = k,
                                                  .v_decoded = v,
                                                  .scale = 0.125,
                                                  .stays = stays.data()});
        double mass = 0, output = 0, top = 0;
        for (auto const& query : queries) {
            mass += query.mass_kept;
            output += std::sqrt(query.output_error_squares / query.output_squares);
            top += query.top_shared;
        }
        auto const count = static_cast<double>(queries.size());
        auto const measurement = run(request(text));
        ASSERT_EQ(measurement.status, Status::ok) << measurement.reason << measurement.stderr_tail;
        EXPECT_NEAR(*figure(measurement, "attention_mass_kept").value, mass / count, 1e-7) << options;
        EXPECT_LT(mass / count, 0.999);
        EXPECT_NEAR(*figure(measurement, "attention_output_error").value, output / count, 1e-6) << options;
        EXPECT_NEAR(*figure(measurement, "attention_top8_overlap").value, top / count, 1e-9) << options;
        EXPECT_EQ(figure(measurement, "attention_logit_error").value, 0) << "raw changes no token that stays";
        EXPECT_FALSE(has(measurement, "attention_kl")) << "infinite where tokens are dropped";
        EXPECT_EQ(figure(measurement, "kept_share").value, selection.share());
        auto const mask = static_cast<double>(selection.lists().size() * ((prompt + 7) / 8));
        EXPECT_EQ(figure(measurement, "ledger_mask_bytes").value, mask);
        // Four bytes a value of those that stay and those that came later, beside the mask and headers.
        double const stored = *figure(measurement, "stored_bytes").value;
        double kept = 0;
        for (std::uint64_t layer = 0; layer < 2; ++layer)
            for (std::uint64_t head = 0; head < 2; ++head)
                kept += static_cast<double>(selection.kept(layer, head).size() + judged);
        EXPECT_GE(stored, mask + 2 * kept * 64 * 4);
        EXPECT_LE(stored, mask + 2 * kept * 64 * 4 + 1024);
        EXPECT_DOUBLE_EQ(*figure(measurement, "bits_per_value").value, 8 * stored / (2.0 * 2 * 2 * context * 64));
    }
}

/// Errors of tokens that stay, as a codec of all tokens has them where it codes each by itself.
TEST_F(DroppedTokens, LogitErrorsAreOfTheTokensThatStay) {
    auto const all = run(request("int:bits=4,axis=token,group=32"));
    auto const some = run(request("keep:policy=random,share=.5,window=8 | int:bits=4,axis=token,group=32"));
    auto const share = *figure(some, "attention_logit_error").value / *figure(all, "attention_logit_error").value;
    EXPECT_GT(share, 0.9);
    EXPECT_LT(share, 1.1);
}

TEST_F(DroppedTokens, PoliciesSeeThePromptAlone) {
    auto const tensors = load_tensors(small_source(), {}, context, {.q = true});
    auto later_spoilt = tensors;
    for (auto* const tensor : {&later_spoilt.k, &later_spoilt.v, &later_spoilt.q}) {
        auto const& shape = (*tensor)->shape;
        std::shared_ptr<float[]> const values(new float[shape.values()]);
        std::memcpy(values.get(), (*tensor)->bytes.get(), shape.values() * sizeof(float));
        for (std::uint64_t i = 0; i < shape.values(); ++i)
            if (i / shape.dim % shape.tokens >= prompt) values[i] = 1e-3F;
        (*tensor)->bytes = {values, reinterpret_cast<std::byte*>(values.get())};
    }
    for (auto const* policy : {"knorm", "h2o", "snapkv", "tova", "expected_attention"}) {
        auto const keep = *Codec::parse(std::string("keep:policy=") + policy + ",share=.5,window=3 | raw").selection();
        EXPECT_EQ(select_before(prompt, keep, tensors), select_before(prompt, keep, later_spoilt)) << policy;
        EXPECT_NE(select_before(context, keep, tensors), select_before(context, keep, later_spoilt)) << policy;
    }
}

TEST_F(DroppedTokens, LatentAttentionLosesTokensOfItsOneTensor) {
    Json const latent{{"kind", "synthetic"}, {"layers", 1},  {"kv_heads", 1},   {"heads", 4},
                      {"head_dim", 96},      {"latent", 64}, {"query_dim", 48}, {"seed", 1}};
    for (auto const* policy : {"knorm", "h2o", "expected_attention"}) {
        auto const measurement =
            run(request(std::string("keep:policy=") + policy + ",share=.5,window=8 | fp16", latent));
        ASSERT_EQ(measurement.status, Status::ok) << measurement.reason << measurement.stderr_tail;
        EXPECT_EQ(figure(measurement, "kept_share").value, 0.5);
    }
}

TEST_F(DroppedTokens, CellsThatCannotLoseTokensAreSkippedWithTheReason) {
    auto const codec = Codec::parse("keep:policy=knorm,share=.5 | fp16");
    EXPECT_EQ(attention_skips(codec, {{"spread", "last"}}), "");
    EXPECT_THAT(attention_skips(codec, Json::object()), HasSubstr("accepted: `spread: last`"));
    EXPECT_EQ(attention_skips(codec.without_selection(), Json::object()), "");
    for (auto const* workload : {"roundtrip", "cycles", "append", "attention_decode", "prefix_cache", "tier"}) {
        auto skipped = request(codec.text()).cell;
        skipped.workload = workload;
        skipped.options = Json::object();
        EXPECT_THAT(skip_reason(skipped), HasSubstr("stage keep drops tokens")) << workload;
    }
    auto half = request(codec.text());
    half.cell.options = {{"queries", judged}};
    auto const measurement = run(half);
    EXPECT_EQ(measurement.status, Status::skipped);
    EXPECT_THAT(measurement.reason, HasSubstr("spread: last"));
    auto const short_prompt = run(request("keep:policy=knorm,share=.25 | fp16"));
    EXPECT_EQ(short_prompt.status, Status::skipped);
    EXPECT_THAT(short_prompt.reason, HasSubstr("35 of 142 tokens stay by their share"));
    auto const positions = run(request("keep:policy=knorm,share=.5 | k{unrope | raw} v{raw}"));
    EXPECT_EQ(positions.status, Status::skipped);
    EXPECT_THAT(positions.reason, HasSubstr("positions of tokens"));
}

/// Every share at every context, by the definition: floor(tokens * (1 - (1 - share))), and at least 1.
TEST_F(DroppedTokens, WhatAScenarioTellsIsKnownBeforeARun) {
    auto const reason = [](std::string const& workload, Json const& options, std::uint64_t tokens,
                           std::string const& codec) {
        auto cell = request(codec).cell;
        cell.workload = workload;
        cell.options = options;
        cell.context = tokens;
        return skip_reason(cell);
    };
    Json const whole{{"protocol", "context"}};
    std::size_t refused = 0, taken = 0;
    for (std::uint64_t tokens = 1; tokens <= 40; ++tokens)
        for (int hundredths = 5; hundredths <= 100; hundredths += 5)
            for (std::uint64_t sink = 0; sink <= 6; ++sink) {
                double const share = hundredths / 100.0;
                auto const product = static_cast<double>(tokens) * (1 - (1 - share));
                auto const kept = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(product));
                auto const by_places = fmt::format("keep:policy=streaming,share={},sink={} | raw", share, sink);
                auto const by_norm =
                    fmt::format("keep:policy=knorm,share={},sink={},window=3,over=all | raw", share, sink);
                bool const all = kept == tokens;
                auto const where = fmt::format("{} of {} tokens, sink {}", share, tokens, sink);
                // The engine needs the last token, too.
                bool const no_end = !all && sink >= kept;
                bool const too_few = !all && sink + 3 > kept;
                EXPECT_EQ(!reason("model", whole, tokens, by_places).empty(), no_end) << where;
                EXPECT_EQ(!reason("model", whole, tokens, by_norm).empty(), too_few) << where;
                Json const last{{"queries", judged}, {"spread", "last"}};
                EXPECT_EQ(!reason("attention", last, tokens + judged, by_norm).empty(), too_few) << where;
                EXPECT_EQ(!reason("attention", last, tokens + judged, by_places).empty(), !all && sink > kept) << where;
                EXPECT_EQ(reason("tasks", whole, tokens, by_norm), "") << "its text ends with a sentence";
                ++(too_few ? refused : taken);
            }
    EXPECT_GT(refused, 1000U);
    EXPECT_GT(taken, 1000U);
    EXPECT_THAT(reason("attention", {{"queries", 8}, {"spread", "last"}}, 8, "keep:policy=streaming,share=.5 | raw"),
                HasSubstr("the prompt has no token"));
    EXPECT_THAT(reason("model", whole, 100, "keep:policy=streaming,share=.04 | raw"), HasSubstr("last token"));
    for (auto const* workload : {"model", "tasks"}) {
        EXPECT_THAT(reason(workload, whole, 1000, "keep:policy=knorm,share=.5 | raw"), HasSubstr("over=all"));
        EXPECT_THAT(reason(workload, whole, 1000, "keep:policy=tova,share=.5,over=layer | raw"), HasSubstr("over=all"));
        EXPECT_THAT(reason(workload, {{"protocol", "decode"}}, 1000, "keep:policy=streaming,share=.5 | raw"),
                    HasSubstr("accepted: protocol context"));
        EXPECT_THAT(reason(workload, whole, 1000, "keep:policy=streaming,share=.5 | k{unrope | raw} v{raw}"),
                    HasSubstr("needs the positions of tokens"));
    }
    // The last layer of pyramid keeps the fewest: 2 * share / beta of the tokens, of two layers.
    Json const last{{"queries", judged}, {"spread", "last"}};
    EXPECT_THAT(reason("attention", last, 1000 + judged, "keep:policy=pyramid,share=.5,window=64,beta=20 | raw"),
                HasSubstr("in the layer that keeps the fewest"));
    EXPECT_EQ(reason("attention", last, 1000 + judged, "keep:policy=pyramid,share=.5,window=8,beta=20 | raw"), "");
}

}  // namespace
}  // namespace kvstone
