// Published figures and targets of a plan.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scenarios/small_plan.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;

TEST(Plan, PublishedFiguresMatchCells) {
    auto const plan = plan_of(small + R"(published:
  - {match: {codec: int8, context: [512, 1k]}, component: k, metric: mae, value: 0.0041, setting: "GPT-2, prompt", comparable: shape}
  - {component: kv, metric: ratio_vs_fp16, value: -2e-1, comparable: "no"}
)");
    ASSERT_EQ(plan.published.size(), 2);
    EXPECT_EQ(plan.published[0].match, Json::parse(R"({"codec":"int8","context":[512,1024]})"));
    EXPECT_EQ(plan.published[0].component, "k");
    EXPECT_EQ(plan.published[0].metric, "mae");
    EXPECT_DOUBLE_EQ(plan.published[0].value, 0.0041);
    EXPECT_EQ(plan.published[0].setting, "GPT-2, prompt");
    EXPECT_EQ(plan.published[0].comparable, "shape");
    EXPECT_DOUBLE_EQ(plan.published[1].value, -0.2);
    EXPECT_EQ(plan.published[1].relation, "equals");
    EXPECT_DOUBLE_EQ(plan.published[1].tolerance(), 0.002);
    std::vector<bool> matched;
    for (auto const& cell : plan.cells) matched.push_back(matches(plan.published[0].match, cell));
    EXPECT_THAT(matched, ElementsAre(false, true, false, false, true, false));
    EXPECT_TRUE(matches(plan.published[1].match, plan.cells[0]));
}

TEST(Plan, PublishedFiguresMayBeBoundsAndSayWhatIsNear) {
    auto const plan = plan_of(small + R"(published:
  - {component: k, metric: cosine, at_least: 0.99, comparable: shape}
  - {component: k, metric: mae, at_most: 0.6, comparable: shape}
  - {component: k, metric: cosine, value: 0.9948, within: 0.0001, comparable: shape}
  - {component: k, metric: mae, value: -4, within: 2.5%, comparable: shape}
)");
    EXPECT_EQ(plan.published[0].relation, "at_least");
    EXPECT_DOUBLE_EQ(plan.published[0].value, 0.99);
    EXPECT_EQ(plan.published[1].relation, "at_most");
    EXPECT_DOUBLE_EQ(plan.published[2].tolerance(), 0.0001);
    EXPECT_DOUBLE_EQ(plan.published[3].tolerance(), 0.1);
}

TEST(Plan, TargetsMatchCellsAndHaveBounds) {
    auto const plan = plan_of(small + R"(targets:
  - {match: {codec: int8}, component: k, metric: cosine, at_least: 0.9999, from: study B}
  - {component: kv, metric: mae, at_least: 0, at_most: 1e-2}
)");
    ASSERT_EQ(plan.targets.size(), 2);
    EXPECT_EQ(plan.targets[0].match, Json::parse(R"({"codec":"int8"})"));
    EXPECT_EQ(plan.targets[0].component, "k");
    EXPECT_EQ(plan.targets[0].metric, "cosine");
    EXPECT_EQ(plan.targets[0].at_least, 0.9999);
    EXPECT_EQ(plan.targets[0].at_most, std::nullopt);
    EXPECT_EQ(plan.targets[0].origin, "study B");
    EXPECT_EQ(plan.targets[1].match, Json::object());
    EXPECT_EQ(plan.targets[1].at_most, 0.01);
    EXPECT_EQ(plan.hash, plan_of(small).hash);
}

}  // namespace
}  // namespace kvstone
