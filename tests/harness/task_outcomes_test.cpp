// Accuracy, its normalisation, intervals, flips and the power of so few items, against values worked out by hand.

#include <cmath>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "harness/workloads/tasks/outcomes.hpp"
#include "results/record/metrics.hpp"
#include "results/statistics/distributions.hpp"

namespace kvstone {
namespace {

using ::testing::HasSubstr;

/// Two choices: right wins by one nat, wrong loses by as much.
ItemOutcome item(bool right, bool baseline_right, std::uint64_t group = 0) {
    auto const scores = [](bool won) { return std::vector<ChoiceScore>{{won ? -1.0 : -3.0, true}, {-2.0, true}}; };
    return {group, 0, 0.5, {1, 1}, scores(right), scores(baseline_right)};
}
ItemOutcome recall(bool right, bool baseline_right, std::uint64_t group) {
    return {group, 0, 0.1, {4}, {{-1.0, right}}, {{-1.0, baseline_right}}};
}
std::vector<ItemOutcome> items(int both, int lost, int gained, int neither) {
    std::vector<ItemOutcome> all;
    auto const add = [&](int count, bool right, bool baseline) { all.insert(all.end(), count, item(right, baseline)); };
    add(both, true, true);
    add(lost, false, true);
    add(gained, true, false);
    add(neither, false, false);
    return all;
}
std::map<std::string, Figure> figures_of(std::vector<ItemOutcome> const& all, bool same_continuation = false) {
    Measurement measurement;
    add_task_figures(all, same_continuation, measurement);
    std::map<std::string, Figure> figures;
    for (auto const& figure : measurement.figures) {
        EXPECT_NE(find_metric(figure.metric), nullptr) << figure.metric;
        figures[figure.metric] = figure;
    }
    return figures;
}

TEST(TaskOutcomes, CountRightAnswersAndFlipsBothWays) {
    auto figures = figures_of(items(50, 9, 1, 40));
    EXPECT_DOUBLE_EQ(*figures["acc"].value, 0.51);
    EXPECT_DOUBLE_EQ(*figures["baseline_acc"].value, 0.59);
    EXPECT_DOUBLE_EQ(*figures["acc_delta"].value, -0.08);
    EXPECT_EQ(figures["acc"].n, 100U);
    EXPECT_EQ(*figures["flips_to_wrong"].value, 9);
    EXPECT_EQ(*figures["flips_to_right"].value, 1);
    EXPECT_EQ(*figures["task_items"].value, 100);
    EXPECT_EQ(*figures["chance_accuracy"].value, 0.5);
    // 2 (1 + 10) / 2^10
    EXPECT_NEAR(*figures["mcnemar_p"].value, 22.0 / 1024, 1e-12);
    // Wilson: (0.51 + 1.9208 / 100 -+ 1.95996 sqrt(0.2499 / 100 + 0.9604 / 10000)) / 1.0384
    EXPECT_NEAR(*figures["acc"].ci_low, 0.41347, 1e-4);
    EXPECT_NEAR(*figures["acc"].ci_high, 0.60582, 1e-4);
    // 2.80159 sqrt(0.1 - 0.08^2) / 10
    EXPECT_NEAR(*figures["minimum_detectable_effect"].value, 0.08571, 1e-4);
    // Nine of a hundred lost, one gained: two standard errors of 3.06 points.
    EXPECT_NEAR(*figures["acc_delta"].ci_low, -0.14, 0.015);
    EXPECT_NEAR(*figures["acc_delta"].ci_high, -0.02, 0.015);
}

TEST(TaskOutcomes, EqualAnswersShowNoLessThanSixFlips) {
    auto figures = figures_of(items(60, 0, 0, 40));
    EXPECT_EQ(*figures["acc_delta"].value, 0);
    EXPECT_EQ(*figures["acc_delta"].ci_low, 0);
    EXPECT_EQ(*figures["acc_delta"].ci_high, 0);
    EXPECT_EQ(*figures["mcnemar_p"].value, 1);
    EXPECT_DOUBLE_EQ(*figures["minimum_detectable_effect"].value, 0.06);
    EXPECT_GT(sign_test_p(5, 0), 0.05);
    EXPECT_LT(sign_test_p(6, 0), 0.05);
}

/// Sums choose the first of two choices, and so do the same sums over tokens (2 and 3) or characters (20 and 38, some of
/// them of two bytes); over bytes it is the second.
TEST(TaskOutcomes, NormaliseByBytes) {
    ItemOutcome one{0, 1, 0.5, {20, 40}, {{-10.0, true}, {-19.5, true}}, {{-10.0, true}, {-19.5, true}}};
    EXPECT_GT(-10.0 / 2, -19.5 / 3);
    EXPECT_GT(-10.0 / 20, -19.5 / 38);
    EXPECT_LT(-10.0 / 20, -19.5 / 40);
    auto figures = figures_of({one});
    EXPECT_EQ(*figures["acc"].value, 0);
    EXPECT_EQ(*figures["acc_norm"].value, 1);
    EXPECT_EQ(*figures["baseline_acc_norm"].value, 1);
    EXPECT_FALSE(figures_of({one}, true).contains("acc_norm")) << "one text behind all choices has one length";
}

TEST(TaskOutcomes, RecallIsCountedWhereEveryTokenComes) {
    auto figures = figures_of({recall(true, true, 0), recall(false, true, 0), recall(true, true, 1)});
    EXPECT_NEAR(*figures["recall_accuracy"].value, 2.0 / 3, 1e-12);
    EXPECT_EQ(*figures["baseline_recall_accuracy"].value, 1);
    EXPECT_EQ(*figures["flips_to_wrong"].value, 1);
    EXPECT_FALSE(figures.contains("acc"));
    EXPECT_FALSE(figures.contains("acc_norm"));
}

/// Ten stories of ten questions, all of a story right or all wrong, are ten items.
TEST(TaskOutcomes, QuestionsBehindOneStoryAreACluster) {
    std::vector<ItemOutcome> clustered, alone;
    for (std::uint64_t i = 0; i < 100; ++i) {
        clustered.push_back(recall(i / 10 % 2 == 0, true, i / 10));
        alone.push_back(recall(i / 10 % 2 == 0, true, i));
    }
    auto const width = [](std::vector<ItemOutcome> const& all, char const* metric) {
        auto const figure = figures_of(all)[metric];
        return *figure.ci_high - *figure.ci_low;
    };
    EXPECT_NEAR(width(alone, "recall_accuracy"), 0.1923, 1e-3);
    EXPECT_NEAR(width(clustered, "recall_accuracy"), 0.5268, 1e-3);
    EXPECT_GT(width(clustered, "recall_accuracy_delta"), 2 * width(alone, "recall_accuracy_delta"));
    EXPECT_NEAR(*figures_of(clustered)["minimum_detectable_effect"].value,
                std::sqrt(10.0) * *figures_of(alone)["minimum_detectable_effect"].value, 1e-9);
}

TEST(TaskOutcomes, GuessingIsNoBaseline) {
    EXPECT_THAT(poor_baseline(items(50, 0, 0, 50)),
                HasSubstr("poor_baseline: without a codec the model answers 50.0% of 100 items rightly, and guessing "
                          "50.0%"));
    EXPECT_NE(poor_baseline(items(55, 0, 0, 45)), "") << "chance, with these many";
    EXPECT_EQ(poor_baseline(items(70, 0, 0, 30)), "");
    EXPECT_EQ(poor_baseline(items(0, 70, 0, 30)), "") << "what the codec does is another question";
    EXPECT_NE(poor_baseline(items(0, 0, 70, 30)), "");
}

}  // namespace
}  // namespace kvstone
