// Tokens that the engine removes are those that attention does not see, and all others stay what and where they were.

#include <cstring>

#include "harness/engine/model_capture.hpp"
#include "harness/engine/sequence.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/engine/llama_reference.hpp"
#include "tests/harness/engine/model_fixture.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t context_tokens = 72;
constexpr std::uint64_t all_tokens = 96;
/// Runs of tokens, [first, end).
using Runs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;
Runs const dropped{{0, 1}, {5, 30}, {33, 34}, {50, 70}};

class RemovedTokens : public TinyModel {
  protected:
    std::span<Token const> context() const { return std::span(text_).first(context_tokens); }
    std::span<Token const> rest() const { return std::span(text_).subspan(context_tokens); }
    static void remove(EngineSequence& sequence, Runs const& runs) {
        for (auto const& [first, end] : runs) sequence.remove(first, end);
    }
    std::vector<float> without(EngineSequence& sequence, Runs const& runs) const {
        sequence.cut(0);
        sequence.feed(context(), 0, {});
        remove(sequence, runs);
        return logits_of(sequence, rest());
    }
    /// Of the reference, behind the tokens of rest(), where these do not see the runs.
    std::vector<double> reference(Runs const& runs) const {
        auto const rows = reference_.logits(text_, [&](std::size_t query, std::size_t token) {
            return query < context_tokens ||
                   std::ranges::none_of(
                       runs, [&](auto const& run) { return token >= run.first && token < run.second; });
        });
        std::vector<double> all;
        for (auto row = context_tokens; row < rows.size(); ++row)
            all.insert(all.end(), rows[row].begin(), rows[row].end());
        return all;
    }
    static double apart(std::vector<float> const& ours, std::vector<double> const& theirs) {
        EXPECT_EQ(ours.size(), theirs.size());
        double error = 0, norm = 0;
        for (std::size_t i = 0; i < theirs.size(); ++i) {
            error += std::pow(ours[i] - theirs[i], 2);
            norm += theirs[i] * theirs[i];
        }
        return std::sqrt(error / norm);
    }

    LlamaReference reference_{model_path()};
    std::vector<Token> text_ = tokens(all_tokens);
};

/// Matrices are F16: the engine rounds what it multiplies with them to 11 significant bits, in each of a layer's seven products
/// and in the last one. Relative errors of 2^-12, as large as they can be and all one way, add up to this.
constexpr double rounding = (4 * 7 + 1) * 0x1p-12;

TEST_F(RemovedTokens, AreNotSeen) {
    EngineSequence sequence(engine_, all_tokens);
    auto const wanted = reference(dropped);
    auto const found = without(sequence, dropped);
    std::printf("relative distance of logits: %.1e, where nothing is removed %.1e\n", apart(found, wanted),
                apart(without(sequence, {}), reference({})));
    EXPECT_LT(apart(found, wanted), rounding);
    EXPECT_GT(apart(without(sequence, {}), wanted), 4 * rounding) << "what removes nothing is found out";
    auto one_more = dropped;
    one_more.back().second += 1;
    EXPECT_GT(apart(without(sequence, one_more), wanted), 4 * rounding) << "so is one token more";
    // Tokens that move up into the places of removed ones.
    std::vector<Token> moved;
    for (std::uint64_t t = 0; t < context_tokens; ++t)
        if (std::ranges::none_of(dropped, [&](auto const& run) { return t >= run.first && t < run.second; }))
            moved.push_back(text_[t]);
    EngineSequence other(engine_, all_tokens);
    other.feed(moved, 0, {});
    EXPECT_GT(apart(logits_of(other, rest()), wanted), 4 * rounding) << "and so are other positions";
}

TEST_F(RemovedTokens, LeaveTheSequenceAsLongAsItWas) {
    EngineSequence sequence(engine_, all_tokens);
    auto const once = without(sequence, dropped);
    EXPECT_EQ(sequence.tokens(), all_tokens);
    sequence.cut(context_tokens);
    EXPECT_EQ(logits_of(sequence, rest()), once) << "a continuation that is forgotten";
    auto const clean = without(sequence, {});
    EngineSequence fresh(engine_, all_tokens);
    EXPECT_EQ(clean, without(fresh, {})) << "removed tokens come back where all is read again";
    EXPECT_NE(clean, once);
    sequence.cut(context_tokens);
    auto const state = sequence.state();
    remove(sequence, dropped);
    EXPECT_EQ(logits_of(sequence, rest()), once);
    sequence.restore(state, context_tokens);
    EXPECT_EQ(logits_of(sequence, rest()), clean) << "and where it is restored";
}

TEST_F(RemovedTokens, AreForgottenWithTheirValues) {
    EngineSequence sequence(engine_, all_tokens);
    auto const once = without(sequence, dropped);
    sequence.cut(0);
    sequence.feed(context(), 0, {});
    for (auto const component : {Component::k, Component::v}) {
        for (auto const& [first, end] : dropped) {
            auto const shape = sequence.shape(component, end - first);
            std::vector<float> values(shape.values(), 1000);
            sequence.write(component, 0, first, {values.data(), ElementType::f32, shape, KvStrides::packed(shape)});
        }
    }
    remove(sequence, dropped);
    EXPECT_EQ(logits_of(sequence, rest()), once);
}

TEST_F(RemovedTokens, AreNotTheLastOne) {
    EngineSequence sequence(engine_, all_tokens);
    sequence.feed(context(), 0, {});
    EXPECT_THROW(sequence.remove(0, context_tokens), std::invalid_argument);
    EXPECT_THROW(sequence.remove(5, 5), std::invalid_argument);
    sequence.remove(0, context_tokens - 1);
    std::vector<float> values(sequence.shape(Component::k, 1).values());
    KvView const view{values.data(), ElementType::f32, sequence.shape(Component::k, 1),
                      KvStrides::packed(sequence.shape(Component::k, 1))};
    EXPECT_THROW(sequence.read(Component::k, 0, 0, view), std::logic_error) << "it may be another token's cell";
    sequence.clear();
    sequence.feed(context(), 0, {});
    EXPECT_NO_THROW(sequence.read(Component::k, 0, 0, view));
}

TEST_F(TinyModel, QueriesAreThoseOfACapture) {
    // More than one batch, and tokens behind those whose queries are kept.
    constexpr std::uint64_t count = 700, kept = 600;
    auto const text = tokens(count);
    auto const first = std::span(text).first(kept), last = std::span(text).subspan(kept);
    EngineSequence sequence(engine_, count), alone(engine_, count, true);
    sequence.keep_queries(kept);
    sequence.feed(first, 0, {});
    alone.feed(first, 0, {});
    EXPECT_EQ(logits_of(sequence, last), logits_of(alone, last)) << "listening changes nothing";
    auto const captured = capture_model(model_path(), text_path(), kept, {.k = false, .v = false, .q = true});
    auto const same = [&] {
        auto const& queries = sequence.queries();
        return queries.shape == captured.q->shape &&
               std::memcmp(queries.bytes.get(), captured.q->bytes.get(), captured.q->span().size()) == 0;
    };
    EXPECT_TRUE(same());
    EXPECT_THROW(sequence.keep_queries(kept), std::invalid_argument);
    sequence.cut(0);
    sequence.feed(std::span(text).subspan(1, kept), 0, {});
    EXPECT_FALSE(same()) << "those of the tokens read last";
}

}  // namespace
}  // namespace kvstone
