// Texts that begin alike, read together: fed tokens, and that no branch sees another.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <gmock/gmock.h>

#include "tests/harness/engine/model_fixture.hpp"

namespace kvstone {
namespace {

using ::testing::ElementsAre;

TEST(Branched, SharesWhatAllBeginWithButTheLastToken) {
    auto const text = branched({{1, 2, 3, 4}, {1, 2, 5}, {1, 2, 3, 4, 6}}, {2, 2, 4});
    EXPECT_THAT(text.trunk, ElementsAre(1, 2));
    EXPECT_THAT(text.branches[2].tokens, ElementsAre(3, 4, 6));
    EXPECT_EQ(text.branches[2].scored_from, 4U);
    EXPECT_THAT(text.text(1), ElementsAre(1, 2, 5));
    EXPECT_EQ(text.token(2, 1), 2);
    EXPECT_EQ(text.token(2, 4), 6);
    EXPECT_EQ(text.fed_tokens(), 2U + 1 + 0 + 2);
    EXPECT_THAT(branched({{1, 2, 3}}, {1}).trunk, ElementsAre(1, 2)) << "the last token is scored and never fed";
    EXPECT_THAT(branched({{1, 2}, {1, 2}}, {1, 1}).trunk, ElementsAre(1));
    EXPECT_THAT(branched({{1, 2}, {3, 2}}, {1, 1}).trunk, ElementsAre());
}

TEST(Branched, GroupsHoldEveryTokenOnceAndNoMoreThanTheyMay) {
    std::vector<BranchedText> texts;
    for (int i = 0; i < 5; ++i)
        texts.push_back(branched({{1, 2, 10, 11}, {1, 2, 20, 21, 22}}, {3, 3}));  // 5 tokens fed
    auto const groups = group_branches(texts, 11, 8);
    ASSERT_EQ(groups.size(), 3U);
    EXPECT_EQ(groups[0].tokens.size(), 10U);
    EXPECT_EQ(groups[0].sequences, 4U);
    EXPECT_EQ(groups[2].tokens.size(), 5U);
    auto const& second = groups[0].tokens[5];
    EXPECT_EQ(second.text, 1U);
    EXPECT_EQ(second.first_sequence, 2U);
    EXPECT_EQ(second.branches, 2U) << "of the trunk";
    std::map<std::size_t, std::size_t> scored;
    for (auto const& group : groups)
        for (auto const& token : group.tokens) scored[token.text] += token.scored ? 1 : 0;
    // Token 2 foretells nothing (scored from 3 on), 10 and 20, 21 do; the last ones are not fed.
    for (std::size_t text = 0; text < 5; ++text) EXPECT_EQ(scored[text], 3U);
    EXPECT_EQ(group_branches(texts, 3, 8).size(), 5U) << "a text that is too long is a group of its own";
    // More branches than may run at once: in turns, each behind the trunk.
    auto const in_turns = group_branches(std::span(texts).first(1), 100, 1);
    ASSERT_EQ(in_turns.size(), 2U);
    EXPECT_EQ(in_turns[1].tokens.front().token, 1);
    EXPECT_EQ(in_turns[1].tokens.front().first_branch, 1U);
    EXPECT_EQ(in_turns[1].tokens.size(), 4U);
}

class Branches : public TinyModel {
  protected:
    static constexpr std::uint64_t context_tokens = 60;
    static constexpr std::uint64_t room = context_tokens + engine_batch_tokens;

    /// Pieces of the text as choices behind a trunk.
    std::vector<BranchedText> texts() const {
        std::vector<BranchedText> all;
        for (std::size_t i = 0; i < 30; ++i) {
            std::vector<std::vector<Token>> choices;
            for (std::size_t choice = 0; choice < 3; ++choice) {
                choices.emplace_back(text_.begin() + static_cast<std::ptrdiff_t>(70 + i),
                                     text_.begin() + static_cast<std::ptrdiff_t>(80 + i));
                auto const from = text_.begin() + static_cast<std::ptrdiff_t>(100 + 20 * choice + i);
                choices.back().insert(choices.back().end(), from, from + 5 + static_cast<std::ptrdiff_t>(choice));
            }
            all.push_back(branched(choices, {10, 10, 10}));
        }
        return all;
    }
    std::span<Token const> context() const { return std::span(text_).first(context_tokens); }
    BranchWords together(EngineSequence& sequence, std::span<BranchedText const> read) const {
        BranchListener listener(read);
        sequence.feed_branches(
            read, [&](auto text, auto branch, auto index, auto logits) { listener.take(text, branch, index, logits); });
        return listener.words();
    }

    /// Each branch by itself, where every value of the context is the next larger number.
    BranchWords behind_other_last_bits(std::span<BranchedText const> read) const {
        EngineSequence sequence(engine_, room);
        sequence.feed(context(), 0, {});
        for (auto const component : {Component::k, Component::v}) {
            auto const shape = sequence.shape(component, context_tokens);
            std::vector<float> values(shape.values());
            KvView const view{values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
            sequence.read(component, 0, 0, view);
            for (auto& value : values) value = std::nextafter(value, std::numeric_limits<float>::max());
            sequence.write(component, 0, 0, view);
        }
        BranchListener listener(read);
        auto const sink = [&](auto text, auto branch, auto index, auto logits) {
            listener.take(text, branch, index, logits);
        };
        one_by_one(read, sink, [&](std::span<Token const> fed, auto const& of_index) {
            sequence.cut(context_tokens);
            sequence.feed(fed, 0, [&](auto position, auto logits) { of_index(position - context_tokens, logits); });
        });
        return listener.words();
    }

    std::vector<Token> text_ = tokens(300);
};

/// Read together, the attention of a branch adds the same products in another order: sums differ in their last bits. The
/// model's matrices are F16 and round their factors to 11 bits, so that such a bit decides here and there which way a factor
/// is rounded. The same happens where the last bit of each value of the context is another one, which tells how far it moves
/// a log likelihood with the kernels of this processor: the farthest of one set of 90 is hardly four times that of the other.
constexpr double times_as_far = 4;

TEST_F(Branches, SayWhatTheySayByThemselves) {
    auto const all = texts();
    Baseline alone(engine_, room, false, {});
    Baseline at_once(engine_, room, false, {}, engine_branches);
    auto const wanted = alone.live_words(context(), all);
    auto const other_last_bits = behind_other_last_bits(all);
    auto const found = at_once.live_words(context(), all);
    EXPECT_GT(group_branches(all, branch_batch_tokens, engine_branches).size(), 1U) << "groups follow one another";
    // The answers of a branch behind another one, or without its context, differ.
    auto seen = all;
    for (auto& text : seen) {
        auto& tokens = text.branches[1].tokens;
        auto const& other = text.branches[0].tokens;
        text.branches[1].scored_from += other.size();
        tokens.insert(tokens.begin(), other.begin(), other.end());
    }
    auto const wrong = alone.live_words(context(), seen);
    auto const apart = [&](BranchWords const& words, std::size_t t, std::size_t b) {
        return std::abs(words[t][b].log_likelihood - wanted[t][b].log_likelihood);
    };
    double rounding = 0, most = 0;
    for (std::size_t t = 0; t < all.size(); ++t)
        for (std::size_t b = 0; b < 3; ++b) rounding = std::max(rounding, apart(other_last_bits, t, b));
    for (std::size_t t = 0; t < all.size(); ++t) {
        for (std::size_t b = 0; b < 3; ++b) {
            EXPECT_LE(apart(found, t, b), times_as_far * rounding) << t << ' ' << b;
            EXPECT_EQ(found[t][b].greedy, wanted[t][b].greedy);
            most = std::max(most, apart(found, t, b));
        }
        EXPECT_GT(apart(wrong, t, 1), times_as_far * rounding) << t;
    }
    std::printf("log likelihoods together and alone differ by up to %.1e nat, behind other last bits by %.1e\n", most,
                rounding);
}

TEST_F(Branches, LeaveTheContextAsItWas) {
    EngineSequence sequence(engine_, room, false, engine_branches);
    EngineSequence plain(engine_, room, true, engine_branches);
    sequence.feed(context(), 0, {});
    plain.feed(context(), 0, {});
    auto const all = texts();
    auto const before = sequence.state();
    auto const once = together(sequence, all);
    EXPECT_EQ(sequence.tokens(), context_tokens);
    EXPECT_EQ(sequence.state(), before);
    EXPECT_TRUE(same_words(together(sequence, all), once));
    EXPECT_TRUE(same_words(together(plain, all), once)) << "listening changes nothing";
    auto const rest = std::span(text_).subspan(context_tokens, 20);
    EXPECT_EQ(TinyModel::logits_of(sequence, rest), TinyModel::logits_of(plain, rest));
    EngineSequence without(engine_, room);
    EXPECT_THROW(together(without, all), std::invalid_argument);
}

TEST_F(Branches, AreReadBehindWhatLiesInTheCells) {
    EngineSequence sequence(engine_, room, false, engine_branches);
    sequence.feed(context(), 0, {});
    auto const all = texts();
    auto const once = together(sequence, all);
    auto const shape = sequence.shape(Component::v, context_tokens);
    std::vector<float> values(shape.values());
    KvView const view{values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
    sequence.read(Component::v, 0, 0, view);
    for (auto& value : values) value = 1 - value;
    sequence.write(Component::v, 0, 0, view);
    auto const changed = together(sequence, all);
    for (std::size_t t = 0; t < all.size(); ++t)
        for (std::size_t b = 0; b < 3; ++b) EXPECT_NE(changed[t][b].log_likelihood, once[t][b].log_likelihood);
}

TEST(SameWords, AreTheSameBits) {
    BranchWords const words{{{-1.5, true, 0}}, {{std::nan(""), false, 1}}};
    EXPECT_TRUE(same_words(words, words));
    auto other = words;
    other[0][0].log_likelihood = std::nextafter(-1.5, 0);
    EXPECT_FALSE(same_words(words, other));
    other = words;
    other[0][0].greedy = false;
    EXPECT_FALSE(same_words(words, other));
    EXPECT_FALSE(same_words(words, {words[0]}));
}

}  // namespace
}  // namespace kvstone
