// Kept answers of a model without a codec: they equal the engine's, bit by bit, or are made again.

#include <cstring>
#include <filesystem>

#include "tests/harness/engine/model_fixture.hpp"
#include "tests/harness/source_test_files.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t context_tokens = 140;
constexpr std::uint64_t all_tokens = 200;

class ModelBaseline : public TinyModel {
  protected:
    Evaluation evaluation(Protocol protocol, std::string const& folder, std::string const& model = "tiny") const {
        PathSettings settings;
        settings.protocol = protocol;
        return {engine_, Codec::parse(codec_), settings, all_tokens, {folder, model}};
    }
    std::span<Token const> context() const { return std::span(text_).first(context_tokens); }
    std::span<Token const> continuation() const { return std::span(text_).subspan(context_tokens); }
    /// Everything that an evaluation says, after its proof.
    std::vector<double> said(Evaluation& of, Protocol protocol) const {
        EXPECT_EQ(of.prove(context(), continuation()), std::nullopt);
        std::vector<double> values;
        for (int i = 0; i < 2; ++i) {
            auto const part = continuation().subspan(static_cast<std::size_t>(10 * i));
            of.begin(context().subspan(static_cast<std::size_t>(10 * i)));
            for (auto const& token : of.score(part))
                for (auto const value : {token.nll, token.baseline_nll, token.kld, token.read_fraction})
                    values.push_back(value);
        }
        if (protocol == Protocol::decode) {
            auto const pair = of.generate(continuation().front(), 20);
            values.insert(values.end(), pair.baseline.begin(), pair.baseline.end());
            values.insert(values.end(), pair.tokens.begin(), pair.tokens.end());
        }
        return values;
    }

    std::string codec_ = "int:bits=4,axis=token";
    ScratchFolder folder_;
    std::vector<Token> text_ = tokens(all_tokens);
};

TEST_F(ModelBaseline, ChangesNothingThatIsSaid) {
    for (auto const protocol : {Protocol::context, Protocol::within, Protocol::decode}) {
        auto without = evaluation(protocol, "");
        auto const wanted = said(without, protocol);
        for (int i = 0; i < 2; ++i) {  // made, then found
            auto with = evaluation(protocol, folder_ / "c");
            EXPECT_EQ(said(with, protocol), wanted) << name_of(protocol) << i;
        }
    }
    std::size_t files = list_captures(folder_ / "c").size();
    // Two states for context and decode, two rows of logits for context and inline, two for decode, and one text.
    EXPECT_EQ(files, 7U);
}

TEST_F(ModelBaseline, IsKnownByTheModelAndTheTokens) {
    Baseline baseline(engine_, all_tokens, false, {folder_ / "c", "tiny"});
    Baseline other(engine_, all_tokens, false, {folder_ / "c", "another"});
    baseline.state(context());
    baseline.state(context());
    EXPECT_EQ(list_captures(folder_ / "c").size(), 1U);
    baseline.state(context().first(139));
    other.state(context());
    EXPECT_EQ(list_captures(folder_ / "c").size(), 3U);
    Baseline roomier(engine_, all_tokens + 300, true, {folder_ / "c", "tiny"});
    roomier.state(context());
    EXPECT_EQ(list_captures(folder_ / "c").size(), 3U) << "whatever is read behind it";
}

/// A context that is put there is one that was read; that of other tokens is not.
TEST_F(ModelBaseline, StatesAreTheContext) {
    auto text = tokens(700);
    constexpr std::uint64_t read_tokens = 600;  // more than a batch
    auto const context = std::span(text).first(read_tokens);
    auto const rest = std::span(text).subspan(read_tokens);
    Baseline baseline(engine_, 700, false, {});
    EngineSequence read(engine_, 700);
    read.feed(context, 0, {});
    auto const wanted = TinyModel::logits_of(read, rest);
    EngineSequence put(engine_, 700);
    put.feed(rest, 0, {});  // whatever was there before
    put.restore(baseline.state(context).bytes, read_tokens);
    EXPECT_EQ(put.tokens(), read_tokens);
    EXPECT_EQ(TinyModel::logits_of(put, rest), wanted);
    EngineSequence roomy(engine_, 1500, false, engine_branches);
    roomy.restore(baseline.state(context).bytes, read_tokens);
    EXPECT_EQ(TinyModel::logits_of(roomy, rest), wanted) << "of another capacity";
    text[17] = text[17] == 70 ? 71 : 70;
    put.restore(baseline.state(context).bytes, read_tokens);
    EXPECT_NE(TinyModel::logits_of(put, rest), wanted);
    std::vector<std::byte> const none(10);
    EXPECT_THROW(put.restore(none, 3), CorruptData);
}

/// Whole files whose content differs from the engine's answers: other figures, a changed processor, a wrong hand.
TEST_F(ModelBaseline, WhatIsNotTrueIsFoundOutAndMadeAnew) {
    for (auto const protocol : {Protocol::context, Protocol::decode}) {
        for (auto const* what : {"state", "logits"}) {
            auto const folder = folder_ / (std::string(name_of(protocol)) + what);
            auto first = evaluation(protocol, folder);
            auto const wanted = said(first, protocol);
            int wrong = 0;
            for (auto const& file : list_captures(folder)) {
                auto bytes = read_file(file.path);
                auto const key = Json::parse(bytes.substr(0, bytes.find('\n')));
                if (key.at("baseline") != what) continue;
                std::filesystem::remove(file.path);
                cached_bytes(folder, key, true, [&] {
                    auto const start = (key.dump().size() + 18 + 63) / 64 * 64;
                    std::vector<std::byte> content(bytes.size() - start);
                    std::memcpy(content.data(), bytes.data() + start, content.size());
                    content[content.size() - 300] ^= std::byte(1);  // of a last value, in its lowest bits
                    if (std::string(what) == "logits") content[400] ^= std::byte(1);
                    ++wrong;
                    return content;
                });
            }
            EXPECT_EQ(wrong, 2);
            testing::internal::CaptureStderr();
            auto second = evaluation(protocol, folder);
            EXPECT_EQ(said(second, protocol), wanted) << name_of(protocol) << ' ' << what;
            EXPECT_NE(testing::internal::GetCapturedStderr().find("made anew"), std::string::npos);
            testing::internal::CaptureStderr();
            auto third = evaluation(protocol, folder);
            EXPECT_EQ(said(third, protocol), wanted) << "the replacement is kept";
            EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
        }
    }
}

/// Of a long context the proof reads the first batch: what is wrong anywhere is found out all the same, since the logits
/// behind it tell.
TEST_F(ModelBaseline, OfALongContextTheFirstBatchIsReadAndTheLogitsTellTheRest) {
    constexpr std::uint64_t long_tokens = 1300;
    constexpr std::uint64_t capacity = long_tokens + 40;
    auto const text = tokens(capacity);
    auto const context = std::span(text).first(long_tokens);
    auto const continuation = std::span(text).subspan(long_tokens);
    auto const folder = folder_ / "c";
    auto const stderr_of_proof = [&](std::vector<double>* kld = nullptr) {
        testing::internal::CaptureStderr();
        Evaluation of(engine_, Codec::parse(codec_), {}, capacity, {folder, "tiny"});
        EXPECT_EQ(of.prove(context, continuation, {}, false), std::nullopt);
        EXPECT_EQ(of.times().context_ns, 0) << "put there";
        if (kld != nullptr)
            for (auto const& token : of.score(continuation)) kld->push_back(token.kld);
        return testing::internal::GetCapturedStderr();
    };
    std::vector<double> wanted;
    EXPECT_EQ(stderr_of_proof(&wanted), "");
    EXPECT_EQ(stderr_of_proof(), "") << "what is right is kept";
    std::pair<std::uint64_t, std::uint64_t> const places[] = {{0, 0}, {1, 400}, {0, 700}, {1, 1100}, {0, 1299}};
    for (auto const component : {Component::k, Component::v}) {
        for (auto [layer, token] : places) {
            if (layer == 1) layer = engine_.layers() - 1;
            for (auto const& file : list_captures(folder)) {
                auto const bytes = read_file(file.path);
                auto const key = Json::parse(bytes.substr(0, bytes.find('\n')));
                if (key.at("baseline") != "state") continue;
                auto const start = (key.dump().size() + 18 + 63) / 64 * 64;
                EngineSequence sequence(engine_, capacity);
                sequence.restore(std::as_bytes(std::span(bytes)).subspan(start), long_tokens);
                auto shape = sequence.shape(component, 1);
                shape.layers = 1;
                std::vector<float> values(shape.values());
                KvView const view{values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
                sequence.read(component, layer, token, view);
                for (auto& value : values) value += 0.5F;
                sequence.write(component, layer, token, view);
                cached_bytes(folder, key, true, [&] { return sequence.state(); });
            }
            std::vector<double> said;
            EXPECT_NE(stderr_of_proof(&said).find("made anew"), std::string::npos) << name_of(component) << token;
            EXPECT_EQ(said, wanted);
        }
    }
}

/// Choices that were kept are those that would be read now, or are read again.
TEST_F(ModelBaseline, ChoicesAreKeptOnceTheyAreTrue) {
    std::vector<BranchedText> texts;
    for (std::size_t i = 0; i < 40; ++i)
        texts.push_back(
            branched({{text_[i], text_[i + 1], text_[i + 2]}, {text_[i], text_[i + 9], text_[i + 5]}}, {1, 2}));
    auto const folder = folder_ / "c";
    auto const capacity = context_tokens + engine_batch_tokens;
    for (auto const protocol : {Protocol::context, Protocol::within, Protocol::decode}) {
        auto const said = [&](std::string const& codec, std::string* complaint = nullptr) {
            PathSettings settings;
            settings.protocol = protocol;
            testing::internal::CaptureStderr();
            Evaluation of(engine_, Codec::parse(codec), settings, capacity, {folder, "tiny"}, engine_branches);
            EXPECT_EQ(of.prove(context(), continuation(), texts, false), std::nullopt);
            auto const stderr_text = testing::internal::GetCapturedStderr();
            if (complaint != nullptr) *complaint = stderr_text;
            return of.score(texts);
        };
        auto const first = said("raw");
        for (auto const& text : first)
            for (auto const& branch : text)
                EXPECT_EQ(branch.coded.log_likelihood, branch.baseline.log_likelihood) << name_of(protocol);
        EXPECT_EQ(first[0][0].tokens, 2U);
        EXPECT_EQ(first[0][1].tokens, 1U);
        auto const coded = said("int:bits=2,axis=token");
        EXPECT_NE(coded[3][1].coded.log_likelihood, coded[3][1].baseline.log_likelihood);
        EXPECT_EQ(coded[3][1].baseline.log_likelihood, first[3][1].baseline.log_likelihood);
        for (auto const& file : list_captures(folder)) {
            auto const bytes = read_file(file.path);
            auto const key = Json::parse(bytes.substr(0, bytes.find('\n')));
            if (key.at("baseline") != "words") continue;
            std::vector<std::byte> none(bytes.size() - (key.dump().size() + 18 + 63) / 64 * 64);
            cached_bytes(folder, key, true, [&] { return none; });
        }
        std::string complaint;
        EXPECT_EQ(said("raw", &complaint)[3][1].baseline.log_likelihood, first[3][1].baseline.log_likelihood);
        EXPECT_NE(complaint.find("made anew"), std::string::npos) << name_of(protocol);
    }
}

TEST_F(ModelBaseline, ContextsAreReadUntilTheProofAndForIt) {
    auto of = evaluation(Protocol::context, folder_ / "c");
    of.begin(context());
    EXPECT_GT(of.times().context_ns, 0);
    ASSERT_EQ(of.prove(context(), continuation()), std::nullopt);
    of.begin(context());
    EXPECT_GT(of.times().context_ns, 0) << "the proof's own reading";
    of.begin(context().first(100));
    EXPECT_EQ(of.times().context_ns, 0);
    auto inline_always = evaluation(Protocol::within, folder_ / "c");
    ASSERT_EQ(inline_always.prove(context(), continuation()), std::nullopt);
    inline_always.begin(context().first(100));
    EXPECT_GT(inline_always.times().context_ns, 0);
}

}  // namespace
}  // namespace kvstone
