// The effects of --set on a plan.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scenarios/small_plan.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;

TEST(Plan, OverridesEditTheTree) {
    auto const plan = plan_of(small, {{{"grid.context", "[64]"},
                                       {"grid.codec.0", "bf16"},
                                       {"sources.0.synthetic.seed", "9"},
                                       {"measure.repetitions", "2"}},
                                      {}});
    EXPECT_THAT(spelled(plan), ElementsAre("gpt2 64 bf16 openmp 1 0 roundtrip", "gpt2 64 int8 openmp 1 0 roundtrip",
                                           "gpt2 64 fp16 | zstd openmp 1 0 roundtrip"));
    EXPECT_EQ(plan.cells[0].source.at("seed"), 9);
    EXPECT_EQ(plan.measure.repetitions, 2);
}

TEST(Plan, OverridesMayTakeAwayWhatTheFileStillNames) {
    auto const plan = plan_of(small + "exclude: [{codec: int8}]\nrequire: [{context: 512}]\n",
                              {{{"grid.codec", "[raw]"}, {"grid.context", "[8]"}}, {}});
    EXPECT_EQ(plan.cells.size(), 1);
    EXPECT_TRUE(plan.require.empty());
}

TEST(Plan, OverridesDoNotHideWhatNamesNothing) {
    using Set = std::vector<std::pair<std::string, std::string>>;
    auto const says = [](std::string const& more, Set const& set) {
        try {
            plan_of(small + more, {set, {}});
        } catch (ConfigError const& error) {
            return error.message();
        }
        return std::string("accepted");
    };
    for (auto const& set :
         {Set{}, Set{{"measure.repetitions", "2"}}, Set{{"grid.context", "[8]"}}, Set{{"grid.codec", "[raw]"}},
          Set{{"sources.0.synthetic.seed", "3"}}, Set{{"workloads", "[attention]"}}}) {
        auto const told = set.empty() ? "" : set[0].first;
        EXPECT_EQ(says("require: [{codec: nosuch}]\n", set), "require.0.codec: no such codec in this scenario") << told;
        EXPECT_EQ(says("exclude: [{context: 7}]\n", set), "exclude.0.context: no such context in this scenario")
            << told;
        EXPECT_EQ(says("exclude: [{workload: roundtri}]\n", set),
                  "exclude.0.workload: no such workload in this scenario")
            << told;
        EXPECT_EQ(says("targets: [{match: {source: gpt}, component: k, metric: mae, at_most: 1}]\n", set),
                  "targets.0.match.source: no such source in this scenario")
            << told;
        EXPECT_EQ(
            says("published: [{match: {backend: cuda}, component: k, metric: mae, value: 1, comparable: exact}]\n",
                 set),
            "published.0.match.backend: no such backend in this scenario")
            << told;
        EXPECT_EQ(says("exclude: [{context: 512, codec: int8}]\nrequire: [{context: 512, codec: int8}]\n", set),
                  "require.0: no cell is like this")
            << told;
    }
    // Values of --set are checked, too; values that it adds may be named, and those that it removes.
    EXPECT_EQ(says("require: [{codec: int8}]\n", {{"require.0.codec", "nosuch"}}),
              "require.0.codec: no such codec in this scenario");
    EXPECT_EQ(says("require: [{codec: bf16}]\n", {{"grid.codec", "[bf16]"}}), "accepted");
    EXPECT_EQ(says("require: [{codec: int8}]\n", {{"grid.codec", "[bf16]"}}), "accepted");
    EXPECT_EQ(says("require: [{workload: roundtrip}]\n", {{"workloads", "[attention]"}}), "accepted");
    EXPECT_EQ(says("exclude: [{source: gpt2}]\n", {{"sources", "[synthetic: {shape: llama-3.1-8b}]"}}), "accepted");
    // Sources that are not there are often why they are set: their names are not known then.
    auto const absent =
        "kvstone: 1\nsources: [dump: {path: absent.npz}]\ngrid: {context: [8], codec: [raw]}\n"
        "workloads: [roundtrip]\nexclude: [{source: absent}]\n";
    EXPECT_EQ(plan_of(absent, {{{"sources", "[synthetic: {shape: gpt2}]"}}, {}}).cells.size(), 1);
}

}  // namespace
}  // namespace kvstone
