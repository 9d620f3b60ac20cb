// Codecs that drop tokens in a model's path.

#include <gmock/gmock.h>

#include "codecs/container/tensor_codec.hpp"
#include "codecs/selection/selection.hpp"
#include "harness/engine/model_capture.hpp"
#include "tests/harness/attempt_fixture.hpp"
#include "tests/harness/engine/model_fixture.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t context_tokens = 96;
constexpr std::uint64_t all_tokens = 160;
/// Every policy that keeps the same tokens in all layers and heads, of 96 tokens 38.
constexpr char const* policies[] = {"keep:policy=streaming,share=0.4",
                                    "keep:policy=random,share=0.4,window=8,over=all,seed=3",
                                    "keep:policy=knorm,share=0.4,window=8,over=all",
                                    "keep:policy=h2o,share=0.4,window=8,over=all",
                                    "keep:policy=snapkv,share=0.4,window=8,over=all",
                                    "keep:policy=tova,share=0.4,window=8,over=all",
                                    "keep:policy=expected_attention,share=0.4,window=8,over=all"};

class DroppingPath : public TinyModel {
  protected:
    Evaluation evaluation(std::string const& codec, Protocol protocol = Protocol::context) const {
        PathSettings settings;
        settings.protocol = protocol;
        settings.rope = captured_.rope;
        return {engine_, Codec::parse(codec), settings, all_tokens};
    }
    std::span<Token const> context() const { return std::span(text_).first(context_tokens); }
    std::span<Token const> continuation() const { return std::span(text_).subspan(context_tokens); }
    std::vector<TokenScore> scores(Evaluation& of) const {
        of.begin(context());
        return of.score(continuation());
    }
    /// Of the context by itself, from a capture of it.
    std::vector<std::uint32_t> kept(std::string const& keep) const {
        auto const view = [](HostTensor const& tensor) -> KvView {
            return {const_cast<std::byte*>(tensor.bytes.get()), tensor.type, tensor.shape,
                    KvStrides::packed(tensor.shape)};
        };
        auto const selection = select_tokens(
            *Codec::parse(keep + " | raw").selection(),
            {.k = view(*captured_.k), .v = view(*captured_.v), .q = view(*captured_.q), .rope = &*captured_.rope});
        auto const tokens = selection.kept(0, 0);
        return {tokens.begin(), tokens.end()};
    }
    static void remove_others(EngineSequence& sequence, std::vector<std::uint32_t> const& tokens) {
        for (std::uint32_t t = 0; t < context_tokens; ++t)
            if (std::ranges::find(tokens, t) == tokens.end()) sequence.remove(t, t + 1);
    }
    std::vector<float> by_path(std::string const& text) const {
        EngineSequence sequence(engine_, all_tokens);
        PathSettings settings;
        settings.rope = captured_.rope;
        auto const path = codec_path(sequence, Codec::parse(text), settings);
        path->begin(context());
        std::vector<float> logits;
        path->feed(continuation(), [&](std::uint64_t, std::span<float const> row) {
            logits.insert(logits.end(), row.begin(), row.end());
        });
        return logits;
    }

    std::vector<Token> text_ = tokens(all_tokens);
    KvTensors captured_ =
        capture_model(model_path(), text_path(), context_tokens, {.k = true, .v = true, .k_prerope = false, .q = true});
};

TEST_F(DroppingPath, IsTheIdentityWhereAllTokensStay) {
    auto all = evaluation("keep:policy=h2o,share=1,over=all | raw");
    EXPECT_EQ(all.prove(context(), continuation()), std::nullopt);
    for (auto const& token : all.score(continuation())) {
        EXPECT_EQ(token.nll, token.baseline_nll);
        EXPECT_EQ(token.kld, 0);
        EXPECT_NEAR(token.read_fraction, context_tokens / static_cast<double>(token.position), 1e-12);
    }
}

TEST_F(DroppingPath, TheEngineReadsTheTokensThatAPolicyKeeps) {
    for (auto const* keep : policies) {
        auto const tokens = kept(keep);
        ASSERT_EQ(tokens.size(), 38U) << keep;
        EngineSequence by_hand(engine_, all_tokens);
        by_hand.feed(context(), 0, {});
        remove_others(by_hand, tokens);
        auto const wanted = logits_of(by_hand, continuation());
        EXPECT_EQ(by_path(keep + std::string(" | raw")), wanted) << keep;
        // One token for another.
        auto others = tokens;
        auto const at = std::ranges::adjacent_find(others, [](auto a, auto b) { return a + 1 != b; });
        ++*at;
        by_hand.cut(0);
        by_hand.feed(context(), 0, {});
        remove_others(by_hand, others);
        EXPECT_NE(logits_of(by_hand, continuation()), wanted) << keep;
    }
}

/// The tokens that stay, as neighbours, by hand.
TEST_F(DroppingPath, TokensThatStayPassThroughTheCodecBehind) {
    std::string const keep = policies[2],
                      behind = "sink(2){raw} k{int:bits=3,axis=channel,group=16} v{int:bits=3,axis=token}";
    auto const tokens = kept(keep);
    EngineSequence by_hand(engine_, all_tokens);
    by_hand.feed(context(), 0, {});
    for (auto const component : {Component::k, Component::v}) {
        auto const all = by_hand.shape(component, context_tokens), some = by_hand.shape(component, tokens.size());
        std::vector<float> values(all.values()), stay(some.values());
        KvView const view{values.data(), ElementType::f32, all, KvStrides::packed(all)};
        KvView const gathered{stay.data(), ElementType::f32, some, KvStrides::packed(some)};
        by_hand.read(component, 0, 0, view);
        auto const copy = [&](bool back) {
            for (std::uint64_t column = 0; column < all.layers * all.heads; ++column)
                for (std::size_t i = 0; i < tokens.size(); ++i)
                    for (std::uint64_t c = 0; c < all.dim; ++c) {
                        auto& one = values[(column * all.tokens + tokens[i]) * all.dim + c];
                        auto& other = stay[(column * some.tokens + i) * all.dim + c];
                        back ? one = other : other = one;
                    }
        };
        copy(false);
        TensorCodec codec(Codec::parse(behind), component, some, ElementType::f32, BackendKind::openmp);
        codec.encode(gathered);
        codec.decode(gathered);
        copy(true);
        by_hand.write(component, 0, 0, view);
    }
    remove_others(by_hand, tokens);
    auto const wanted = logits_of(by_hand, continuation());
    EXPECT_EQ(by_path(keep + " | " + behind), wanted);
    EXPECT_NE(by_path(keep + " | raw"), wanted);
}

TEST_F(DroppingPath, ProvesItselfRewindsAndBeginsAnew) {
    for (auto const* keep : policies) {
        auto of = evaluation(keep + std::string(" | int:bits=4,axis=token"));
        EXPECT_EQ(of.prove(context(), continuation()), std::nullopt) << keep;
        auto const once = of.score(continuation());
        EXPECT_GT(mean_kld(once), 1e-4) << keep;
        auto const nll = [](std::vector<TokenScore> const& scores) {
            std::vector<double> all;
            for (auto const& score : scores) all.push_back(score.nll);
            return all;
        };
        of.score(continuation().subspan(9));
        EXPECT_EQ(nll(of.score(continuation())), nll(once)) << keep << " behind the same context";
        auto const greedy = of.generate(continuation().front(), 20).tokens;
        of.begin(std::span(text_).subspan(20, 64));
        of.score(continuation().first(30));
        EXPECT_EQ(nll(scores(of)), nll(once)) << keep << " behind a context that is read or restored again";
        EXPECT_EQ(of.generate(continuation().front(), 20).tokens, greedy) << keep;
    }
}

TEST_F(DroppingPath, BranchesSeeTheTokensThatStay) {
    std::string const codec = "keep:policy=h2o,share=0.4,window=8,over=all | raw";
    PathSettings settings;
    auto const room = context_tokens + engine_batch_tokens;
    Evaluation together(engine_, Codec::parse(codec), settings, room, {}, engine_branches);
    Evaluation alone(engine_, Codec::parse(codec), settings, room);
    Evaluation whole(engine_, Codec::parse("raw"), settings, room, {}, engine_branches);
    std::vector<BranchedText> texts;
    for (std::ptrdiff_t i = 0; i < 6; ++i) {
        auto const from = text_.begin() + context_tokens + i;
        texts.push_back(branched({{from, from + 12}, {from, from + 20}}, {6, 6}));
    }
    for (auto* const of : {&together, &alone, &whole}) of->begin(context());
    auto const found = together.score(texts), wanted = alone.score(texts), others = whole.score(texts);
    for (std::size_t text = 0; text < texts.size(); ++text) {
        for (std::size_t branch = 0; branch < 2; ++branch) {
            auto const& own = found[text][branch];
            auto const likelihood = wanted[text][branch].coded.log_likelihood;
            // F16 matrices: what is multiplied has 11 significant bits, and batches of other lengths take other kernels.
            EXPECT_NEAR(own.coded.log_likelihood, likelihood, std::abs(likelihood) / 2048);
            EXPECT_GT(std::abs(others[text][branch].coded.log_likelihood - likelihood), std::abs(likelihood) / 2048);
            EXPECT_NEAR(own.read_fraction, wanted[text][branch].read_fraction, 1e-9);
        }
    }
}

TEST_F(DroppingPath, CountsAndBillsTheTokensThatStay) {
    auto of = evaluation("keep:policy=streaming,share=0.4 | sink(6){raw} rest{fp16}");
    for (auto const& token : scores(of))
        EXPECT_NEAR(token.read_fraction, (38. - 6) / (static_cast<double>(token.position) - (context_tokens - 38)),
                    1e-12);
    auto const k = of.bytes(Component::k), v = of.bytes(Component::v);
    auto const vectors = k.shape.layers * k.shape.heads;
    EXPECT_EQ(k.shape.tokens, context_tokens);
    auto const values = [&](CacheBytes const& bytes) {
        return bytes.ledger[LedgerLine::payload] + bytes.ledger[LedgerLine::window];
    };
    EXPECT_EQ(values(k), (32 * 2 + 6 * 4) * vectors * k.shape.dim);
    EXPECT_EQ(values(v), (32 * 2 + 6 * 4) * vectors * v.shape.dim);
    EXPECT_EQ(k.ledger[LedgerLine::mask], context_tokens / 8) << "a bit a token, once";
    EXPECT_EQ(v.ledger[LedgerLine::mask], 0U);
    EXPECT_NEAR(k.nominal_bits_per_value, (32 * 16 + 6 * 32) / static_cast<double>(context_tokens), 1e-9);
}

TEST_F(DroppingPath, RefusesWhatTheEngineCannotRemove) {
    auto const refused = [&](std::string const& codec, Protocol protocol = Protocol::context) {
        try {
            auto of = evaluation(codec, protocol);
            of.begin(context());
        } catch (NotApplicable const& error) {
            return std::string(error.what());
        }
        return std::string("not refused");
    };
    EXPECT_THAT(refused("keep:policy=knorm,share=0.5,window=4 | raw"), HasSubstr("accepted: over=all"));
    EXPECT_THAT(refused("keep:policy=tova,share=0.5,window=4,over=layer | raw"), HasSubstr("accepted: over=all"));
    EXPECT_THAT(refused("keep:policy=pyramid,share=0.5,window=4 | raw"), HasSubstr("from all layers and heads"));
    EXPECT_THAT(refused("keep:policy=streaming,share=0.5 | raw", Protocol::within),
                HasSubstr("accepted: protocol context"));
    EXPECT_THAT(refused("keep:policy=streaming,share=0.5 | raw", Protocol::decode),
                HasSubstr("accepted: protocol context"));
    EXPECT_THAT(refused("keep:policy=streaming,share=0.1,sink=9 | raw"), HasSubstr("only behind its last token"));
    EXPECT_EQ(refused("keep:policy=streaming,share=0.1,sink=8 | raw"), "not refused");
}

class DroppingWorkloads : public AttemptTest {
  protected:
    Measurement run(std::string const& workload, std::string const& codec, Json options, std::uint64_t context) {
        if (!options.contains("protocol")) options["protocol"] = "context";
        return AttemptTest::run(model_request({}, workload, codec, std::move(options), context));
    }
};

Json const passages{{"passages", 2}, {"continuation", 64}};
Json const pairs{{"task", "key_value"}, {"items", 48}};

TEST_F(DroppingWorkloads, HaveTheFiguresOfWhatStays) {
    auto const measured =
        run("model", "keep:policy=h2o,share=0.5,window=16,over=all | int:bits=8,axis=token", passages, 128);
    ASSERT_EQ(measured.status, Status::ok) << measured.reason << measured.stderr_tail;
    EXPECT_EQ(value(measured, "kept_share"), 0.5);
    EXPECT_EQ(value(measured, "ledger_mask_bytes"), 2 * 128 / 8) << "of two passages, a bit a token";
    auto const all = run("model", "int:bits=8,axis=token", passages, 128);
    EXPECT_NEAR(value(measured, "ledger_payload_bytes"), value(all, "ledger_payload_bytes") / 2, 1e-9);
    EXPECT_GT(value(measured, "kld_mean"), 10 * value(all, "kld_mean"));
}

TEST_F(DroppingWorkloads, SkipOrFailWithTheReason) {
    auto const reason = [&](std::string const& codec, Json options, Status status) {
        auto const measured = run("model", codec, std::move(options), 128);
        EXPECT_EQ(measured.status, status) << measured.reason;
        return measured.reason;
    };
    EXPECT_THAT(reason("keep:policy=knorm,share=0.6 | raw", passages, Status::skipped), HasSubstr("over=all"));
    auto within = passages;
    within["protocol"] = "inline";
    EXPECT_THAT(reason("keep:policy=streaming,share=0.5 | raw", within, Status::skipped),
                HasSubstr("protocol context"));
    setenv("KVSTONE_ATTEMPT", (programs_folder() + "/kvstone-attempt-faults").c_str(), 1);
    EXPECT_EQ(reason("keep:policy=streaming,share=0.5 | fault:how=forget", passages, Status::verify_failed),
              "kv: a spoilt cache does not change the logits");
}

TEST_F(DroppingWorkloads, WhatIsDroppedIsNotRecalled) {
    auto const half = run("tasks", "keep:policy=streaming,share=0.5 | raw", pairs, 768);
    auto const all = run("tasks", "keep:policy=streaming,share=1 | raw", pairs, 768);
    ASSERT_EQ(half.status, Status::ok) << half.reason << half.stderr_tail;
    std::printf("recall of 48 pairs: plain %.3f, half of the tokens %.3f\n", value(half, "baseline_recall_accuracy"),
                value(half, "recall_accuracy"));
    EXPECT_GT(value(all, "recall_accuracy"), 0.5);
    EXPECT_EQ(value(all, "flips_to_wrong") + value(all, "flips_to_right"), 0);
    EXPECT_EQ(value(half, "baseline_recall_accuracy"), value(all, "recall_accuracy"));
    EXPECT_LT(value(half, "recall_accuracy"), 0.75 * value(all, "recall_accuracy"));
    EXPECT_LT(value(half, "mcnemar_p"), 1e-3);
    EXPECT_NEAR(value(half, "kept_share"), 0.5, 1e-3);
}

}  // namespace
}  // namespace kvstone
