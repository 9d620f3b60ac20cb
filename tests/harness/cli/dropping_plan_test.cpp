// What `plan` and `run` say beforehand of codecs that drop tokens.

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

class DroppingPlanTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        std::ofstream(path("few.yaml")) << R"(kvstone: 1
name: few
sources:
  - model: {gguf: tiny, text: builtin}
grid:
  context: [64, 256]
  codec:
    - raw
    - {name: far, keep: "policy=streaming,share=0.25,sink=20", codec: raw}
workloads:
  - model: {protocol: context, passages: 1, continuation: 8}
measure: {timing: off}
)";
    }
};

TEST_F(DroppingPlanTest, CellsThatCannotBeMeasuredAreToldBeforeAnyIs) {
    auto const why = "16 of 64 tokens stay by their share, fewer than the first 20, which always stay";
    auto const plan = kvstone("plan few.yaml");
    EXPECT_EQ(plan.code, 0) << plan.err;
    EXPECT_THAT(plan.out, HasSubstr("skipped: far model"));
    EXPECT_THAT(plan.out, HasSubstr("4 cells x 1 process(es), 1 cells skipped"));
    auto const run = kvstone("run few.yaml");
    EXPECT_EQ(run.code, 0) << run.err;
    auto const told = run.err.find(why);
    ASSERT_NE(told, std::string::npos) << run.err;
    EXPECT_LT(told, run.err.find("raw")) << "before the first attempt ends";
}

TEST_F(DroppingPlanTest, ACodecThatNoCellCanMeasureIsRefusedAtItsPlace) {
    for (auto const* verb : {"plan", "run"}) {
        auto const refused = kvstone(std::string(verb) + " few.yaml --set 'grid.context=[64]'");
        EXPECT_EQ(refused.code, 2) << refused.out;
        EXPECT_THAT(refused.err, HasSubstr("few.yaml:9:"));
        EXPECT_THAT(refused.err,
                    HasSubstr("grid.codec.1: no cell of this scenario can measure far: 16 of 64 tokens stay"));
        EXPECT_THAT(refused.err, HasSubstr("accepted: a larger share"));
        auto const heads =
            kvstone(std::string(verb) + " few.yaml --set 'grid.codec=[raw, \"keep:policy=knorm,share=0.5 | raw\"]'");
        EXPECT_EQ(heads.code, 2) << heads.out;
        EXPECT_THAT(heads.err, HasSubstr("--set grid.codec"));
        EXPECT_THAT(heads.err, HasSubstr("accepted: over=all, where the policy takes it"));
        auto const positions = kvstone(std::string(verb) +
                                       " few.yaml --set 'grid.codec.1={name: far, keep: "
                                       "\"policy=streaming,share=0.5\", k: unrope | raw, v: raw}'");
        EXPECT_EQ(positions.code, 2) << positions.out;
        EXPECT_THAT(positions.err, HasSubstr("needs the positions of tokens"));
    }
    EXPECT_FALSE(std::filesystem::exists(path("kvstone.db")));
    auto const two = kvstone(
        "plan few.yaml --set 'grid.context=[64]' --set 'grid.codec=[\"keep:policy=streaming,share=0.25,sink=20 | "
        "raw\", "
        "\"keep:policy=knorm,share=0.5 | raw\"]'");
    EXPECT_THAT(two.err, HasSubstr("grid.codec.0: no cell")) << "the first in the file";
    // Where another workload can measure it, its cells here are skipped.
    auto const both = kvstone(
        "plan few.yaml --set 'grid.codec=[\"keep:policy=knorm,share=0.9,window=4 | raw\"]' --set "
        "'workloads=[{model: {protocol: context}}, {attention: {spread: last, queries: 8}}]'");
    EXPECT_EQ(both.code, 0) << both.err;
    EXPECT_THAT(both.out, HasSubstr("2 cells skipped"));
    EXPECT_EQ(kvstone("plan few.yaml --only 64").code, 0) << "other cells could measure it";
}

}  // namespace
}  // namespace kvstone
