#include "codecs/pipeline/sections.hpp"

#include <gtest/gtest.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

struct Box {
    std::uint64_t layer, head, token, layers, heads, tokens;
    std::size_t rule;
    bool operator==(Box const&) const = default;
    friend std::ostream& operator<<(std::ostream& out, Box const& b) {
        return out << b.layer << '+' << b.layers << ' ' << b.head << '+' << b.heads << ' ' << b.token << '+' << b.tokens
                   << " rule " << b.rule;
    }
};

std::vector<Box> cut(std::string const& text, KvShape const& shape, Component component = Component::k) {
    std::vector<Box> boxes;
    auto const codec = Codec::parse(text);
    for (auto const& [s, rule, kept_plain] :
         cut_sections(codec, pipelines_of(codec), component, shape, ElementType::f32)) {
        boxes.push_back({s.layer, s.head, s.token, s.shape.layers, s.shape.heads, s.shape.tokens, rule});
    }
    return boxes;
}

KvShape const shape{4, 2, 10, 8};

TEST(Sections, OneRuleIsOneSection) { EXPECT_EQ(cut("raw", shape), (std::vector<Box>{{0, 0, 0, 4, 2, 10, 0}})); }

TEST(Sections, RulesOfTheOtherComponentPlayNoPart) {
    EXPECT_EQ(cut("k,sink(3){raw} k{fp16} v{bf16}", shape, Component::v), (std::vector<Box>{{0, 0, 0, 4, 2, 10, 2}}));
}

TEST(Sections, SinkAndWindowCutTokens) {
    EXPECT_EQ(cut("sink(2){raw} window(3){fp16} rest{int8}", shape),
              (std::vector<Box>{{0, 0, 0, 4, 2, 2, 0}, {0, 0, 2, 4, 2, 5, 2}, {0, 0, 7, 4, 2, 3, 1}}));
}

TEST(Sections, SinkAndWindowInOneRuleMustBothHold) {
    EXPECT_EQ(cut("sink(6),window(6){raw} rest{int8}", shape),
              (std::vector<Box>{{0, 0, 0, 4, 2, 4, 1}, {0, 0, 4, 4, 2, 2, 0}, {0, 0, 6, 4, 2, 4, 1}}));
}

TEST(Sections, LongerThanTheTensorTheyTakeAllOfIt) {
    EXPECT_EQ(cut("window(1000){raw} rest{int8}", shape), (std::vector<Box>{{0, 0, 0, 4, 2, 10, 0}}));
    EXPECT_EQ(cut("sink(4000000){raw} rest{int8}", shape), (std::vector<Box>{{0, 0, 0, 4, 2, 10, 0}}));
    EXPECT_EQ(cut("window(0){raw} rest{int8}", shape), (std::vector<Box>{{0, 0, 0, 4, 2, 10, 1}}));
}

TEST(Sections, TheFirstMatchingRuleWins) {
    EXPECT_EQ(cut("layers(0-1){raw} window(3){fp16} rest{int8}", shape),
              (std::vector<Box>{{0, 0, 0, 2, 2, 10, 0}, {2, 0, 0, 2, 2, 7, 2}, {2, 0, 7, 2, 2, 3, 1}}));
}

TEST(Sections, HeadsAndSeparateLayersAreBoxesOfTheirOwn) {
    EXPECT_EQ(cut("layers(0,3){raw} heads(1){fp16} rest{int8}", shape),
              (std::vector<Box>{
                  {0, 0, 0, 1, 2, 10, 0}, {1, 0, 0, 2, 1, 10, 2}, {1, 1, 0, 2, 1, 10, 1}, {3, 0, 0, 1, 2, 10, 0}}));
}

TEST(Sections, LastLayersCountFromTheEndOfWhateverTensorTheyMeet) {
    auto const text = "last_layers(1){raw} first_layers(2){fp16} rest{int8}";
    EXPECT_EQ(cut(text, shape),
              (std::vector<Box>{{0, 0, 0, 2, 2, 10, 1}, {2, 0, 0, 1, 2, 10, 2}, {3, 0, 0, 1, 2, 10, 0}}));
    EXPECT_EQ(cut(text, {3, 2, 10, 8}), (std::vector<Box>{{0, 0, 0, 2, 2, 10, 1}, {2, 0, 0, 1, 2, 10, 0}}));
    EXPECT_EQ(cut(text, {2, 2, 10, 8}), (std::vector<Box>{{0, 0, 0, 1, 2, 10, 1}, {1, 0, 0, 1, 2, 10, 0}}));
    EXPECT_EQ(cut("last_layers(9){raw} rest{int8}", shape), (std::vector<Box>{{0, 0, 0, 4, 2, 10, 0}}));
    EXPECT_EQ(cut("last_layers(2),layers(0-2){raw} rest{int8}", shape),
              (std::vector<Box>{{0, 0, 0, 2, 2, 10, 1}, {2, 0, 0, 1, 2, 10, 0}, {3, 0, 0, 1, 2, 10, 1}}));
}

TEST(Sections, WindowsKeepWhatDoesNotFillAPage) {
    auto const text = "sink(4){raw} window(128){raw} rest{int:bits=4,scheme=asymmetric,axis=channel,group=32}";
    for (std::uint64_t tokens = 1; tokens < 400; ++tokens) {
        auto const coded = tokens < 4 + 128 + 32 ? 0 : (tokens - 4 - 128) / 32 * 32;
        std::vector<Box> expected;
        expected.push_back({0, 0, 0, 4, 2, std::min<std::uint64_t>(tokens, 4), 0});
        if (coded > 0) expected.push_back({0, 0, 4, 4, 2, coded, 2});
        if (tokens > 4) expected.push_back({0, 0, 4 + coded, 4, 2, tokens - 4 - coded, 1});
        EXPECT_EQ(cut(text, {4, 2, tokens, 8}), expected) << tokens;
    }
}

TEST(Sections, AFullSinkNeedsNoWholePages) {
    auto const text = "window(16){raw} sink(40){int:bits=8,axis=channel,group=32} rest{fp16}";
    EXPECT_EQ(cut(text, {1, 1, 55, 8}), (std::vector<Box>{{0, 0, 0, 1, 1, 32, 1}, {0, 0, 32, 1, 1, 23, 0}}));
    EXPECT_EQ(cut(text, {1, 1, 56, 8}), (std::vector<Box>{{0, 0, 0, 1, 1, 40, 1}, {0, 0, 40, 1, 1, 16, 0}}));
    EXPECT_EQ(cut(text, {1, 1, 57, 8}),
              (std::vector<Box>{{0, 0, 0, 1, 1, 40, 1}, {0, 0, 40, 1, 1, 1, 2}, {0, 0, 41, 1, 1, 16, 0}}));
}

TEST(Sections, EachOfSeveralWindowsCountsThePagesBeforeIt) {
    auto const text =
        "window(5){raw} window(20){int:bits=8,axis=channel,group=4} rest{int:bits=4,axis=channel,group=8}";
    // 61 - 20 = 41 becomes 40; 61 - 5 = 56 is 16 tokens behind that.
    EXPECT_EQ(cut(text, {1, 1, 61, 8}),
              (std::vector<Box>{{0, 0, 0, 1, 1, 40, 2}, {0, 0, 40, 1, 1, 16, 1}, {0, 0, 56, 1, 1, 5, 0}}));
    // 66 - 20 = 46 becomes 40; 66 - 5 = 61 becomes 60.
    EXPECT_EQ(cut(text, {1, 1, 66, 8}),
              (std::vector<Box>{{0, 0, 0, 1, 1, 40, 2}, {0, 0, 40, 1, 1, 20, 1}, {0, 0, 60, 1, 1, 6, 0}}));
}

TEST(Sections, WindowsOfOneWidthStartWhereEachLayersPagesEnd) {
    auto const text =
        "layers(0),window(9){raw} window(9){fp16} layers(0){int:bits=4,axis=channel,group=4} "
        "layers(1){int:bits=4,axis=channel,group=6} rest{int8}";
    EXPECT_EQ(cut(text, {3, 1, 20, 8}), (std::vector<Box>{{0, 0, 0, 1, 1, 8, 2},
                                                          {0, 0, 8, 1, 1, 12, 0},
                                                          {1, 0, 0, 1, 1, 6, 3},
                                                          {1, 0, 6, 1, 1, 14, 1},
                                                          {2, 0, 0, 1, 1, 11, 4},
                                                          {2, 0, 11, 1, 1, 9, 1}}));
}

TEST(Sections, RunsOfOneHeadAreNotCutByTheSinksOfAnother) {
    EXPECT_EQ(cut("heads(0),sink(4){raw} rest{int8}", {1, 3, 10, 8}),
              (std::vector<Box>{{0, 0, 0, 1, 1, 4, 0}, {0, 0, 4, 1, 1, 6, 1}, {0, 1, 0, 1, 2, 10, 1}}));
}

TEST(Sections, EveryVectorLiesInOneSectionOfItsRule) {
    auto const text = "layers(1),heads(0),sink(3){raw} layers(0-2),window(4){fp16} heads(1){bf16} rest{int8}";
    std::vector<int> held(shape.vectors(), 0);
    for (auto const& box : cut(text, shape)) {
        for (auto l = box.layer; l < box.layer + box.layers; ++l)
            for (auto h = box.head; h < box.head + box.heads; ++h)
                for (auto t = box.token; t < box.token + box.tokens; ++t) {
                    ++held[(l * shape.heads + h) * shape.tokens + t];
                    std::size_t const expected = l == 1 && h == 0 && t < 3 ? 0 : l <= 2 && t >= 6 ? 1 : h == 1 ? 2 : 3;
                    EXPECT_EQ(box.rule, expected) << l << ' ' << h << ' ' << t;
                }
    }
    for (auto const count : held) EXPECT_EQ(count, 1);
}

TEST(Sections, LayersAndHeadsBeyondTheTensorAreRefused) {
    EXPECT_THROW(cut("layers(4){raw} rest{int8}", shape), ConfigError);
    EXPECT_THROW(cut("heads(0-2){raw} rest{int8}", shape), ConfigError);
    EXPECT_NO_THROW(cut("v,layers(4){raw} rest{int8}", shape));
    EXPECT_THROW(cut("layers(1-4){raw} rest{int8}", shape), ConfigError);
    EXPECT_THROW(cut("layers(0,4){raw} rest{int8}", shape), ConfigError);
    // But the first so many are all of fewer.
    EXPECT_EQ(cut("layers(0-9){raw} rest{int8}", shape), cut("raw", shape));
}

TEST(Sections, AnEmptyTensorHasNone) {
    EXPECT_TRUE(cut("sink(2){raw} window(3){fp16} rest{int8}", {4, 2, 0, 8}).empty());
    EXPECT_TRUE(cut("raw", {0, 2, 4, 8}).empty());
}

}  // namespace
}  // namespace kvstone
