// The engine's own cache as a codec: its types, its bytes, and its answers beside those of our stages.

#include "harness/engine/engine_cache.hpp"

#include <cmath>

#include <gmock/gmock.h>

#include "tests/harness/engine/model_fixture.hpp"
#include "tests/harness/proofs_fixture.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t context_tokens = 96;
constexpr std::uint64_t all_tokens = 160;

class EngineCaches : public TinyModel {
  protected:
    Evaluation evaluation(std::string const& text, Protocol protocol = Protocol::within) const {
        auto const codec = Codec::parse(text);
        PathSettings settings;
        settings.protocol = protocol;
        settings.engine = engine_cache_of(codec);
        return {engine_, codec, settings, all_tokens};
    }
    double kld(std::string const& codec, Protocol protocol = Protocol::within) const {
        auto of = evaluation(codec, protocol);
        EXPECT_EQ(of.prove(context(), continuation()), std::nullopt) << codec;
        of.begin(context());
        return mean_kld(of.score(continuation()));
    }
    std::span<Token const> context() const { return std::span(text_).first(context_tokens); }
    std::span<Token const> continuation() const { return std::span(text_).subspan(context_tokens); }

    std::vector<Token> text_ = tokens(all_tokens);
};

TEST_F(EngineCaches, InF32AreThoseOfEveryComparison) {
    for (auto const protocol : {Protocol::within, Protocol::decode}) {
        auto of = evaluation("engine:k=f32,v=f32,flash=off", protocol);
        EXPECT_EQ(of.prove(context(), continuation()), std::nullopt);
        of.begin(context());
        for (auto const& token : of.score(continuation())) {
            EXPECT_EQ(token.nll, token.baseline_nll);
            EXPECT_EQ(token.read_fraction, 0);
        }
    }
}

/// K and V of a vector of 64 values: blocks of 32, by ggml's structures.
TEST_F(EngineCaches, HaveTheBytesOfTheirTypes) {
    struct Case {
        std::string type;
        std::uint64_t vector_bytes;
    };
    for (auto const& [type, vector_bytes] :
         {Case{"f32", 256}, Case{"f16", 128}, Case{"bf16", 128}, Case{"q8_0", 68}, Case{"q5_1", 48}, Case{"q5_0", 44},
          Case{"q4_1", 40}, Case{"q4_0", 36}, Case{"iq4_nl", 36}}) {
        auto of = evaluation("engine:k=" + type + ",v=f16");
        of.begin(context());
        auto const k = of.bytes(Component::k);
        ASSERT_EQ(k.shape.dim, 64U);
        EXPECT_EQ(k.ledger.stored_bytes(), k.shape.vectors() * vector_bytes) << type;
        EXPECT_EQ(k.nominal_bits_per_value, static_cast<double>(vector_bytes) / 8) << type;
        EXPECT_EQ(of.bytes(Component::v).ledger.stored_bytes(), k.shape.vectors() * 128) << type;
        EXPECT_EQ(k.stored_as, vector_bytes < 128 ? type + " rotated over 64 channels" : type);
    }
}

TEST_F(EngineCaches, SayTheLessTheFewerTheirBits) {
    for (auto const protocol : {Protocol::within, Protocol::decode}) {
        auto const f16 = kld("engine:k=f16,v=f16", protocol);
        auto const q8 = kld("engine:k=q8_0,v=q8_0", protocol);
        auto const q4 = kld("engine:k=q4_0,v=q4_0", protocol);
        EXPECT_GT(f16, 0);
        EXPECT_GT(q8, f16);
        EXPECT_GT(q4, 3 * q8);
    }
}

TEST_F(EngineCaches, AreNotRotatedWhereTheyAreNotToBe) {
    auto of = evaluation("engine:k=q4_0,v=q4_0,rotation=off");
    of.begin(context());
    EXPECT_EQ(of.bytes(Component::k).stored_as, "q4_0");
    auto const rotated = kld("engine:k=q4_0,v=q4_0");
    auto const plain = kld("engine:k=q4_0,v=q4_0,rotation=off");
    EXPECT_NE(rotated, plain);
}

/// Without rotation the engine and our stage store the same codes, up to ties, and read them in another order: both add
/// errors of blocks of 8 bits, whose KLD grows with the square of the error.
TEST_F(EngineCaches, AnswerAsOurStageOfTheSameBlocks) {
    for (auto const* const type : {"q8_0", "q4_0"}) {
        auto const engine = kld(std::string("engine:k=") + type + ",v=" + type + ",rotation=off");
        auto const ours = kld(type);
        EXPECT_LT(std::fabs(std::log2(engine / ours)), 1) << type << ' ' << engine << ' ' << ours;
    }
}

TEST_F(EngineCaches, GrowTheProcessByTheirBytes) {
    auto const of = evaluation("engine:k=f32,v=f32,flash=off");
    EXPECT_GT(of.memory_growth_bytes(), 0U);
}

std::string refused(std::string const& text) {
    try {
        Codec::parse(text);
        return "";
    } catch (ConfigError const& error) {
        return error.what();
    }
}

TEST(EngineCacheText, IsAWholeCodec) {
    EXPECT_EQ(Codec::parse("engine:v=q4_0,k=q8_0").text(), "engine:k=q8_0,v=q4_0");
    EXPECT_EQ(Codec::parse("engine:k=q8_0,v=q4_0,flash=auto,rotation=auto").text(), "engine:k=q8_0,v=q4_0");
    for (auto const* text : {"hadamard | engine:k=q8_0,v=q8_0", "engine:k=q8_0,v=q8_0 | zstd",
                             "k{engine:k=q8_0,v=q8_0} v{q8_0}", "sink(4){fp16} rest{engine:k=q8_0,v=q8_0}"})
        EXPECT_THAT(refused(text), HasSubstr("a whole codec")) << text;
    EXPECT_THAT(refused("engine:k=q8_0,v=q8_0,flash=off"), HasSubstr("flash attention"));
    EXPECT_THAT(refused("engine:k=q8_0"), HasSubstr("v"));
    EXPECT_THAT(refused("engine:k=q8_2,v=q8_0"), HasSubstr("iq4_nl"));
}

class EngineCells : public ProofsTest {};

TEST_F(EngineCells, OfOtherWorkloadsAndProtocolsAreSkippedWithTheReason) {
    EXPECT_THAT(skipped(run(model_request({}, "model", "engine:k=q8_0,v=q8_0",
                                          {{"protocol", "context"}, {"passages", 1}, {"continuation", 8}}, 32))),
                HasSubstr("codes every token as it is written"));
    EXPECT_THAT(skipped(run(model_request({}, "roundtrip", "engine:k=q8_0,v=q8_0", Json::object(), 32))),
                HasSubstr("run by the engine alone"));
    auto const measured = run(model_request({}, "model", "engine:k=q8_0,v=q4_0",
                                            {{"protocol", "inline"}, {"passages", 1}, {"continuation", 8}}, 32));
    EXPECT_EQ(measured.status, Status::ok) << measured.reason << measured.stderr_tail;
    EXPECT_THAT(measured.engine, HasSubstr("K q8_0 rotated over 64 channels, V q4_0 rotated over 64 channels"));
}

}  // namespace
}  // namespace kvstone
