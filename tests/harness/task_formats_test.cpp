// Files of multiple-choice items: questions, scored texts, and errors with their lines.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/workloads/tasks/formats.hpp"
#include "scenarios/errors.hpp"
#include "tests/harness/source_test_files.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

class TaskFormats : public testing::Test {
  protected:
    std::vector<TaskItem> read(std::string const& format, std::string const& lines, std::string const& labels = {}) {
        auto const path = folder_.write("items.jsonl", lines);
        return read_items(format, path, labels.empty() ? "" : folder_.write("labels.lst", labels));
    }
    std::string refusal(std::string const& format, std::string const& lines, std::string const& labels = {}) {
        try {
            read(format, lines, labels);
        } catch (ConfigError const& error) {
            return error.what();
        }
        return "not refused";
    }
    ScratchFolder folder_;
};

std::string const piqa_line = R"({"goal": "Open a jar", "sol1": "Twist the lid.", "sol2": "Sing."})";
std::string const arc_line =
    R"({"question": {"stem": "What is hot?", "choices": [{"text": "ice", "label": "A", "para": "x"},)"
    R"( {"text": "fire", "label": "B"}, {"text": "snow", "label": "C"}]}, "answerKey": "B"})";
std::string const hellaswag_line =
    R"({"activity_label": "Baking", "ctx_a": "She [step] heats the oven.", "ctx_b": "she THEN", "label": 2,)"
    R"( "endings": ["eats. [title] Next", "swims  off", "bakes it.", "runs"]})";
std::string const winogrande_line =
    R"({"sentence": "The cup fits in the box because _ is large.", "option1": "the cup", "option2": "the box",)"
    R"( "answer": "2"})";

TEST_F(TaskFormats, AByteOrderMarkIsNoPartOfAFile) {
    std::string const mark = "\xef\xbb\xbf";
    auto const items = read("piqa", mark + piqa_line + "\n" + piqa_line + "\n", mark + "0\n1\n");
    ASSERT_EQ(items.size(), 2U);
    EXPECT_EQ(items[0].gold, 0U);
    EXPECT_THAT(refusal("piqa", piqa_line,
                        std::string("\xff\xfe"
                                    "0\0",
                                    4)),
                HasSubstr("labels.lst:1:1: a text in UTF-16"));
}

TEST_F(TaskFormats, PiqaTakesItsLabelsFromAFileOrTheItem) {
    auto const items = read("piqa", piqa_line + "\n" + piqa_line + "\n", "0\n1\n");
    ASSERT_EQ(items.size(), 2U);
    EXPECT_EQ(items[0].gold, 0U);
    EXPECT_EQ(items[1].gold, 1U);
    EXPECT_EQ(items[1].choices[1].context, "Question: Open a jar\nAnswer:");
    EXPECT_EQ(items[1].choices[1].continuation, " Sing.");
    EXPECT_EQ(items[1].choices[1].answer_bytes, 5U) << "the space before it is no part of the choice";
    EXPECT_EQ(items[1].solved(), "Question: Open a jar\nAnswer: Sing.");
    EXPECT_EQ(items[1].origin, (folder_ / "items.jsonl") + ":2");
    EXPECT_DOUBLE_EQ(items[1].chance, 0.5);
    EXPECT_EQ(read("piqa", R"({"goal": "g", "sol1": "a", "sol2": "b", "label": 1})")[0].gold, 1U);
}

TEST_F(TaskFormats, ArcHasTwoForms) {
    auto const nested = read("arc", arc_line);
    auto const flat = read("arc", R"({"question": "What is hot?", "choices": {"text": ["ice", "fire", "snow"],)"
                                  R"( "label": ["1", "2", "3"]}, "answerKey": "2"})");
    for (auto const& item : {nested[0], flat[0]}) {
        EXPECT_EQ(item.gold, 1U);
        ASSERT_EQ(item.choices.size(), 3U);
        EXPECT_EQ(item.solved(), "Question: What is hot?\nAnswer: fire");
        EXPECT_DOUBLE_EQ(item.chance, 1.0 / 3);
    }
}

TEST_F(TaskFormats, HellaswagLosesItsMarks) {
    auto const item = read("hellaswag", hellaswag_line)[0];
    EXPECT_EQ(item.gold, 2U);
    EXPECT_EQ(item.choices[0].context, "Baking: She heats the oven. She then");
    EXPECT_EQ(item.choices[0].continuation, " eats.. Next");
    EXPECT_EQ(item.choices[1].continuation, " swims off");
    EXPECT_EQ(item.choices[1].answer_bytes, 9U);
    // Whole contexts count where there are no parts, and only there.
    auto whole = hellaswag_line;
    whole.insert(1, R"("ctx": "She stirs. [step] she", )");
    EXPECT_EQ(read("hellaswag", whole)[0].choices[0].context, item.choices[0].context);
    whole.replace(whole.find("ctx_a"), 5, "other");
    EXPECT_EQ(read("hellaswag", whole)[0].choices[0].context, "Baking: She stirs. she");
}

TEST_F(TaskFormats, WinograndeScoresTheRestBehindEachOption) {
    auto const item = read("winogrande", winogrande_line)[0];
    EXPECT_EQ(item.gold, 1U);
    EXPECT_EQ(item.choices[0].context, "The cup fits in the box because the cup");
    EXPECT_EQ(item.choices[1].context, "The cup fits in the box because the box");
    EXPECT_EQ(item.choices[0].continuation, " is large.");
    EXPECT_EQ(item.choices[1].continuation, " is large.");
}

TEST_F(TaskFormats, WhatIsBrokenIsRefusedWithFileAndLine) {
    auto const at = [&](int line) { return (folder_ / "items.jsonl") + ":" + std::to_string(line) + ":"; };
    auto const good = piqa_line + "\n";
    EXPECT_THAT(refusal("piqa", good + "{\"goal\": \"x\",\n" + good, "0\n1\n0\n"), HasSubstr(at(2) + "14: no JSON"));
    EXPECT_THAT(refusal("piqa", good + "\n" + good, "0\n1\n0\n"), HasSubstr(at(2)));
    EXPECT_THAT(refusal("piqa", "[1]", "0"), HasSubstr(at(1) + " no JSON object"));
    EXPECT_THAT(refusal("piqa", good + R"({"goal": 1e999})", "0\n1\n"),
                HasSubstr(at(2) + " JSON with a number too large"));
    EXPECT_THAT(refusal("piqa", "{\"goal\": \"\xff\"}", "0"), HasSubstr(at(1)));
    EXPECT_THAT(refusal("piqa", R"({"goal": "x", "sol1": "y"})", "0"), HasSubstr("lacks a member: 'sol2'"));
    EXPECT_THAT(refusal("piqa", R"({"goal": 3, "sol1": "y", "sol2": "z"})", "0"), HasSubstr("'goal' is no text: '3'"));
    EXPECT_THAT(refusal("piqa", R"({"goal": "x", "sol1": "", "sol2": "z"})", "0"), HasSubstr("a choice is empty"));
    EXPECT_THAT(refusal("piqa", good), HasSubstr(at(1) + " nothing says which choice is right; accepted: 0, 1"));
    EXPECT_THAT(refusal("piqa", good + good, "0\n2\n"),
                HasSubstr((folder_ / "labels.lst") + ":2: the right answer is no choice: '2'; accepted: 0, 1"));
    EXPECT_THAT(refusal("piqa", good + good, "0\n"), HasSubstr("labels are not as many as items: '1 lines'"));
    EXPECT_THAT(refusal("piqa", "\n"), HasSubstr("the file has no items"));
    EXPECT_THAT(refusal("squad", good), HasSubstr("accepted: arc, hellaswag, piqa, winogrande"));
    EXPECT_THAT(
        refusal("arc", R"({"question": {"stem": "s", "choices": [{"text": "t", "label": "A"}]}, "answerKey": "A"})"),
        HasSubstr("fewer than two choices"));
    EXPECT_THAT(
        refusal("arc", R"({"question": "s", "choices": {"text": ["a", "b"], "label": ["A"]}, "answerKey": "A"})"),
        HasSubstr("choices and their labels are not as many"));
    EXPECT_THAT(refusal("arc", R"({"question": "s", "choices": {"text": ["a", "b"], "label": ["A", "A"]}})"),
                HasSubstr("two choices have one label"));
    EXPECT_THAT(refusal("hellaswag", R"({"activity_label": "a", "ctx_a": "b", "ctx_b": "", "endings": ["x"]})"),
                HasSubstr("no list of four"));
    EXPECT_THAT(refusal("hellaswag", R"({"activity_label": "a", "ctx_b": "", "endings": ["x"]})"),
                HasSubstr("lacks a member: 'ctx_a'"));
    EXPECT_THAT(refusal("winogrande", R"({"sentence": "no gap", "option1": "a", "option2": "b"})"),
                HasSubstr("the sentence has no gap"));
    EXPECT_THROW(read_items("piqa", folder_ / "absent.jsonl", ""), SystemError);
}

TEST_F(TaskFormats, ThePublishedFilesAreRead) {
    auto const piqa = test_data("tasks/piqa_valid.jsonl");
    auto const labels = test_data("tasks/piqa_valid-labels.lst");
    auto const arc = test_data("tasks/genmc_arc_easy_official_dev.jsonl");
    if (!piqa || !labels || !arc) GTEST_SKIP() << "PIQA and ARC are not among the test data";
    EXPECT_EQ(read_items("piqa", *piqa, *labels).size(), 1838U);
    auto const items = read_items("arc", *arc, "");
    EXPECT_EQ(items.size(), 570U);
    EXPECT_EQ(items[0].solved(), "Question: Which technology was developed most recently?\nAnswer: cellular telephone");
}

}  // namespace
}  // namespace kvstone
