// Codecs in a model's path, in each protocol.

#include <optional>

#include <gmock/gmock.h>

#include "codecs/container/tensor_codec.hpp"
#include "tests/harness/engine/model_fixture.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t context_tokens = 96;
constexpr std::uint64_t all_tokens = 160;
constexpr Protocol protocols[] = {Protocol::context, Protocol::within, Protocol::decode};

class ModelPath : public TinyModel {
  protected:
    Evaluation evaluation(std::string const& codec, Protocol protocol, Prefill prefill = Prefill::clean) const {
        PathSettings settings;
        settings.protocol = protocol;
        settings.prefill = prefill;
        return {engine_, Codec::parse(codec), settings, all_tokens};
    }
    std::vector<TokenScore> scores(Evaluation& of) const {
        of.begin(context());
        return of.score(continuation());
    }
    std::span<Token const> context() const { return std::span(text_).first(context_tokens); }
    std::span<Token const> continuation() const { return std::span(text_).subspan(context_tokens); }

    std::vector<Token> text_ = tokens(all_tokens);
};

TEST_F(ModelPath, RawIsExactInEveryProtocol) {
    for (auto const protocol : protocols) {
        auto raw = evaluation("raw", protocol);
        EXPECT_EQ(raw.prove(context(), continuation()), std::nullopt) << name_of(protocol);
        auto const tokens = raw.score(continuation());
        ASSERT_EQ(tokens.size(), all_tokens - context_tokens - 1);
        for (auto const& token : tokens) {
            EXPECT_EQ(token.nll, token.baseline_nll);
            EXPECT_EQ(token.kld, 0);
            EXPECT_TRUE(token.same_top);
        }
        EXPECT_EQ(tokens.front().position, context_tokens + 1);
    }
}

TEST_F(ModelPath, CodecsChangeWhatIsSaidTheMoreTheCoarser) {
    for (auto const protocol : protocols) {
        double before = 0;
        for (auto const* codec : {"fp16", "int:bits=8,axis=token", "int:bits=4,axis=token", "int:bits=2,axis=token"}) {
            auto of = evaluation(codec, protocol);
            EXPECT_EQ(of.prove(context(), continuation()), std::nullopt) << name_of(protocol) << ' ' << codec;
            auto const kld = mean_kld(scores(of));
            EXPECT_GT(kld, 3 * before) << name_of(protocol) << ' ' << codec;
            before = kld;
        }
    }
}

/// Scores of a continuation do not depend on earlier texts behind the context.
TEST_F(ModelPath, RewindsToTheContext) {
    for (auto const protocol : protocols) {
        for (auto const prefill : {Prefill::clean, Prefill::compressed}) {
            auto const codec = protocol == Protocol::within ? "sink(4){raw} rest{int:bits=3,axis=token}"
                                                            : "sink(4){raw} window(8){raw} rest{int:bits=3,axis=token}";
            auto of = evaluation(codec, protocol, prefill);
            auto const once = scores(of);
            of.score(continuation().subspan(7));
            auto const again = of.score(continuation());
            ASSERT_EQ(once.size(), again.size());
            for (std::size_t i = 0; i < once.size(); ++i)
                EXPECT_EQ(once[i].nll, again[i].nll) << name_of(protocol) << i;
            EXPECT_GT(mean_kld(once), 1e-6);
        }
    }
}

TEST_F(ModelPath, AWindowOverEverythingIsTheIdentityAndNotEngaged) {
    for (auto const protocol : {Protocol::context, Protocol::decode}) {
        auto of = evaluation("window(100000){raw} rest{int:bits=2,axis=token}", protocol);
        for (auto const& token : scores(of)) {
            EXPECT_EQ(token.kld, 0);
            EXPECT_EQ(token.read_fraction, 0);
        }
    }
}

TEST_F(ModelPath, CountsWhatCameThroughTheCodec) {
    auto of_context = evaluation("sink(16){raw} window(32){fp16} rest{int:bits=4,axis=token}", Protocol::context);
    for (auto const& token : scores(of_context)) {
        auto const coded = static_cast<double>(context_tokens - 16 - 32);
        EXPECT_NEAR(token.read_fraction, coded / static_cast<double>(token.position), 1e-12);
    }
    auto of_inline = evaluation("sink(16){raw} k{int:bits=4,axis=token} v{fp16}", Protocol::within);
    for (auto const& token : scores(of_inline))
        EXPECT_NEAR(token.read_fraction, 1 - 16 / static_cast<double>(token.position), 1e-12);
    // Groups of 32 behind a window of 32: at position p tokens up to p have come, itself not yet handed on.
    auto of_decode = evaluation(
        "window(32){raw} k{int:bits=4,axis=channel,group=32} v{int:bits=4,axis=channel,group=32}", Protocol::decode);
    for (auto const& token : scores(of_decode)) {
        auto const handed_on = token.position - 1;
        auto const coded = (handed_on - 32) / 32 * 32;
        EXPECT_NEAR(token.read_fraction, static_cast<double>(coded) / static_cast<double>(token.position), 1e-12)
            << token.position;
    }
}

/// One token's K and V coded and decoded, by hand, where they lie. `layer` alone, or all.
void code_in_place(EngineSequence& sequence, Component component, std::uint64_t token, Codec const& codec,
                   std::optional<std::uint64_t> layer = {}) {
    auto shape = sequence.shape(component, 1);
    if (layer) shape.layers = 1;
    std::vector<float> values(shape.values());
    KvView const view{values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
    sequence.read(component, layer.value_or(0), token, view);
    TensorCodec one(codec, component, shape, ElementType::f32, BackendKind::openmp);
    one.encode(view);
    one.decode(view);
    sequence.write(component, layer.value_or(0), token, view);
}

/// Both protocols against loops that say what they mean: decode codes a token once it has been read, inline before
/// anything attends to it. `late`: a broken decode, a token later.
class ByHand : public ModelPath {
  protected:
    std::vector<float> decode(std::span<Token const> text, std::uint64_t late = 0) const {
        EngineSequence sequence(engine_, all_tokens);
        std::vector<float> logits;
        for (std::uint64_t t = 0; t < text.size(); ++t) {
            auto const row = logits_of(sequence, text.subspan(t, 1));
            logits.insert(logits.end(), row.begin(), row.end());
            for (auto const component : {Component::k, Component::v})
                if (t >= late) code_in_place(sequence, component, t - late, codec_);
        }
        return logits;
    }
    std::vector<float> within(std::span<Token const> text) const {
        EngineSequence sequence(engine_, all_tokens);
        sequence.on_written([&](Component component, std::uint64_t layer, std::uint64_t first, std::uint64_t) {
            code_in_place(sequence, component, first, codec_, layer);
        });
        std::vector<float> logits;
        for (auto const& token : text) {
            auto const row = logits_of(sequence, {&token, 1});
            logits.insert(logits.end(), row.begin(), row.end());
        }
        return logits;
    }
    std::vector<float> by_path(std::span<Token const> text, Protocol protocol) const {
        EngineSequence sequence(engine_, all_tokens);
        PathSettings settings;
        settings.protocol = protocol;
        auto const path = codec_path(sequence, codec_, settings);
        path->begin({});
        std::vector<float> logits;
        for (auto const& token : text)
            path->feed({&token, 1}, [&](std::uint64_t, std::span<float const> row) {
                logits.insert(logits.end(), row.begin(), row.end());
            });
        return logits;
    }
    Codec codec_ = Codec::parse("int:bits=4,axis=token");
};

TEST_F(ByHand, DecodeCodesATokenOnceItHasBeenRead) {
    auto const text = std::span(text_).first(40);
    auto const logits = by_path(text, Protocol::decode);
    EXPECT_EQ(logits, decode(text));
    EXPECT_NE(logits, decode(text, 1)) << "a token later is told apart";
    EXPECT_NE(logits, within(text));
}

TEST_F(ByHand, DecodeCodesATokenOnceItHasLeftTheWindow) {
    auto const text = std::span(text_).first(40);
    auto const late = decode(text, 8);
    EXPECT_NE(late, decode(text, 9));
    codec_ = Codec::parse("window(8){raw} rest{int:bits=4,axis=token}");
    EXPECT_EQ(by_path(text, Protocol::decode), late);
}

TEST_F(ByHand, InlineCodesATokenBeforeAnythingReadsIt) {
    auto const text = std::span(text_).first(40);
    EXPECT_EQ(by_path(text, Protocol::within), within(text));
}

TEST_F(ModelPath, GreedyTextOfTheIdentityIsTheEnginesOwn) {
    EngineSequence alone(engine_, all_tokens, true);
    alone.feed(context(), 0, {});
    std::vector<Token> own;
    auto token = continuation().front();
    while (own.size() < 40) {
        alone.feed({&token, 1}, 0, [&](std::uint64_t, std::span<float const> logits) { token = most_likely(logits); });
        own.push_back(token);
    }
    auto raw = evaluation("raw", Protocol::decode);
    raw.begin(context());
    auto const same = raw.generate(continuation().front(), 40);
    EXPECT_EQ(same.tokens, own);
    EXPECT_EQ(same.baseline, own);
    auto ruined = evaluation("int:bits=2,axis=token", Protocol::decode);
    ruined.begin(context());
    EXPECT_NE(ruined.generate(continuation().front(), 40).tokens, own);
}

TEST_F(ModelPath, InlineRefusesCodecsThatLookAhead) {
    auto const refused = [&](std::string const& codec) {
        try {
            evaluation(codec, Protocol::within);
        } catch (NotApplicable const& error) {
            return std::string(error.what());
        }
        return std::string("not refused");
    };
    EXPECT_THAT(refused("int8"), HasSubstr("k of this codec looks ahead: it is coded as a whole"));
    EXPECT_THAT(refused("k{fp16} v{fp16 | zstd}"), HasSubstr("v of this codec looks ahead: it is coded as a whole"));
    EXPECT_THAT(refused("int:bits=4,axis=channel,group=32"), HasSubstr("32 tokens are coded together"));
    EXPECT_THAT(refused("window(8){raw} rest{fp16}"), HasSubstr("has a window"));
    EXPECT_EQ(refused("sink(4){raw} rest{int:bits=4,axis=token}"), "not refused");
    EXPECT_THROW(evaluation("layers(9){raw} rest{fp16}", Protocol::within), ConfigError);
}

TEST_F(ModelPath, BillsWhatTheContainersHold) {
    for (auto const protocol : protocols) {
        auto of = evaluation("fp16", protocol);
        scores(of);
        for (auto const component : {Component::k, Component::v}) {
            auto const bytes = of.bytes(component);
            EXPECT_EQ(bytes.shape.tokens, protocol == Protocol::context ? context_tokens : all_tokens - 1);
            EXPECT_EQ(bytes.ledger[LedgerLine::payload], 2 * bytes.shape.values());
            EXPECT_EQ(bytes.held_bytes.has_value(), protocol == Protocol::decode);
        }
    }
}

/// Inline codes layer by layer with codecs of single layers: together they are the codec.
TEST(CodecOfLayer, CodesALayerAsTheWholeDoes) {
    auto const codec = Codec::parse(
        "layers(0),k{raw} layers(1-2),heads(0){int:bits=3,axis=token} last_layers(1){fp16} "
        "rest{int:bits=4,axis=token}");
    KvShape const shape{5, 2, 9, 32};
    std::vector<float> values(shape.values());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<float>(i) * 0.7F);
    auto const passed = [](Codec const& of, KvShape const& size, Component component, float const* data) {
        std::vector<float> out(data, data + size.values());
        KvView const view{out.data(), ElementType::f32, size, KvStrides::packed(size)};
        TensorCodec one(of, component, size, ElementType::f32, BackendKind::openmp);
        one.encode(view);
        one.decode(view);
        return out;
    };
    for (auto const component : {Component::k, Component::v}) {
        auto const whole = passed(codec, shape, component, values.data());
        auto size = shape;
        size.layers = 1;
        for (std::uint64_t layer = 0; layer < shape.layers; ++layer) {
            auto const own =
                passed(codec.of_layer(layer, shape.layers), size, component, values.data() + layer * size.values());
            EXPECT_TRUE(
                std::equal(own.begin(), own.end(), whole.begin() + static_cast<std::ptrdiff_t>(layer * size.values())))
                << layer << codec.of_layer(layer, shape.layers).text();
        }
    }
    EXPECT_NE(codec.of_layer(1, 5).text(), codec.of_layer(4, 5).text());
}

}  // namespace
}  // namespace kvstone
