// Generated recall: the facts of a story, and that its questions can be answered from it and from nothing else.

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/workloads/tasks/groups.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

std::uint64_t words_in(std::string_view text) {
    return static_cast<std::uint64_t>(std::ranges::count_if(text, [](char c) { return c == ' ' || c == '\n'; }));
}
std::size_t count(std::string const& text, std::string const& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
    return found;
}
std::string answer(TaskItem const& item) { return item.choices[0].continuation.substr(1); }
/// The person that "Where did NAME live?" or "What did NAME carry?" is about.
std::string subject(TaskItem const& item) {
    auto const& text = item.choices[0].context;
    auto const from = text.find("did ") + 4;
    return text.substr(from, text.find(' ', from) - from);
}

class RecallStory : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Kinds, RecallStory, testing::ValuesIn(recall_kinds()),
                         [](auto const& kind) { return kind.param; });

TEST_P(RecallStory, IsAsLongAsWantedAndDrawnFromItsSeed) {
    RecallSettings const settings{GetParam(), 3, 5, 700};
    auto const story = recall_story(settings, words_in);
    EXPECT_GE(words_in(story.prefix), 700U);
    EXPECT_LT(words_in(story.prefix), 730U) << "it ends with the sentence that reaches them";
    EXPECT_EQ(recall_story(settings, words_in).prefix, story.prefix);
    std::set<std::string> different{story.prefix};
    for (auto other : {settings, settings}) {
        (different.size() == 1 ? other.seed : other.story) += 1;
        different.insert(recall_story(other, words_in).prefix);
    }
    EXPECT_EQ(different.size(), 3U);
    EXPECT_EQ(story.items.size(), recall_questions(GetParam()));
}

TEST_P(RecallStory, TellsEachAnswerOnce) {
    for (std::uint64_t index = 0; index < 20; ++index) {
        auto const story = recall_story({GetParam(), 1, index, 900}, words_in);
        for (auto const& item : story.items) {
            EXPECT_EQ(count(story.prefix, answer(item)), 1U) << answer(item);
            EXPECT_EQ(count(item.choices[0].context, answer(item)), 0U);
            EXPECT_EQ(item.choices[0].context[0], '\n');
            EXPECT_THAT(story.prefix, HasSubstr(subject(item)));
        }
    }
}

TEST(RecallStories, PairsTellAnswerAndSubjectInOneSentence) {
    auto const story = recall_story({"key_value", 1, 0, 900}, words_in);
    for (auto const& item : story.items) {
        auto const at = story.prefix.find(answer(item));
        auto const begin = story.prefix.rfind('.', at);
        EXPECT_THAT(story.prefix.substr(begin, story.prefix.find('.', at) - begin), HasSubstr(subject(item)));
        EXPECT_DOUBLE_EQ(item.chance, 1.0 / 12);
    }
}

/// Follows "lived where" back to the town, which one sentence tells.
TEST(RecallStories, ChainsLeadToTheirTown) {
    auto const story = recall_story({"variables", 1, 0, 900}, words_in);
    for (auto const& item : story.items) {
        auto person = subject(item);
        auto before = story.prefix.size();
        int links = 1;
        for (;; ++links) {
            auto const start = person + " lived where ";
            auto const at = story.prefix.find(start);
            if (at == std::string::npos) break;
            EXPECT_LT(at, before) << "others' homes are told of before somebody is said to live there";
            before = at;
            person = story.prefix.substr(at + start.size());
            person = person.substr(0, person.find(' '));
        }
        EXPECT_EQ(links, 3);
        auto const at = story.prefix.find(answer(item));
        auto const begin = story.prefix.rfind('.', at);
        EXPECT_THAT(story.prefix.substr(begin, at - begin), HasSubstr(person));
        EXPECT_LT(at, before);
    }
}

TEST(RecallStories, NeedlesLieAnywhere) {
    double least = 1;
    double most = 0;
    for (std::uint64_t index = 0; index < 40; ++index) {
        auto const story = recall_story({"needle", 1, index, 900}, words_in);
        auto const depth =
            static_cast<double>(story.prefix.find(answer(story.items[0]))) / static_cast<double>(story.prefix.size());
        least = std::min(least, depth);
        most = std::max(most, depth);
    }
    EXPECT_LT(least, 0.15);
    EXPECT_GT(most, 0.85);
}

TEST(RecallStories, TooShortAContextIsRefused) {
    try {
        recall_story({"key_value", 1, 0, 100}, words_in);
        FAIL();
    } catch (ConfigError const& error) {
        EXPECT_THAT(error.what(),
                    HasSubstr("the facts of task key_value alone are longer than the context: '100 tokens'"));
    }
}

TEST(TaskGroups, NoItemStandsBehindItself) {
    std::vector<TaskItem> items(9);
    for (std::size_t i = 0; i < items.size(); ++i)
        items[i].choices = {{"question " + std::to_string(i) + " asks", " answer", 6}, {"x", " y", 1}};
    // A solved item has three spaces and two line ends.
    auto const ask = [&](std::uint64_t tokens, std::uint64_t limit) {
        return file_groups(items, tokens, limit, "f.jsonl", words_in);
    };
    auto const all = ask(15, 100);
    ASSERT_EQ(all.size(), 2U);
    EXPECT_EQ(all[0].prefix, items[0].solved() + "\n\n" + items[1].solved() + "\n\n" + items[2].solved() + "\n\n");
    EXPECT_EQ(all[0].items.size(), 6U);
    EXPECT_EQ(all[1].items.size(), 3U);
    for (auto const& group : all)
        for (auto const& item : group.items)
            EXPECT_EQ(group.prefix.find(item.choices[0].context), std::string::npos) << "no item behind itself";
    EXPECT_EQ(ask(15, 6).size(), 1U) << "one prefix where no more items are wanted";
    EXPECT_EQ(ask(15, 7)[1].items.size(), 1U);
    EXPECT_EQ(ask(30, 100).size(), 1U) << "too few are left for another prefix";
    EXPECT_THROW(ask(45, 100), ConfigError);
}

TEST(TaskGroups, ThousandsCanBeGenerated) {
    auto const groups = story_groups({"key_value", 0, 0, 600}, 1000, words_in);
    std::set<std::string> asked;
    std::size_t items = 0;
    for (auto const& group : groups) {
        for (auto const& item : group.items) asked.insert(item.solved());
        items += group.items.size();
    }
    EXPECT_EQ(items, 1000U);
    EXPECT_GT(asked.size(), 990U);
}

}  // namespace
}  // namespace kvstone
