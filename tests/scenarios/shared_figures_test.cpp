// Cells of which a workload would find the same figures, whatever their codecs: one of them is planned.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scenarios/fake_vocabulary.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

using ::testing::UnorderedElementsAre;

/// The workload "entropy" depends on a codec's first stage alone, "inspect" on nothing of it, "roundtrip" on all.
Vocabulary vocabulary_of(ScratchFolder const& folder) {
    auto vocabulary = fake_vocabulary(folder.path());
    vocabulary.workloads = {"roundtrip", "entropy", "inspect"};
    vocabulary.measured_of_codec = {
        {"entropy", [](std::string const& codec) { return codec.substr(0, codec.find(" | ")); }},
        {"inspect", [](std::string const&) { return std::string(); }}};
    return vocabulary;
}

Plan plan_of(std::string const& require, std::vector<std::string> const& only = {}) {
    ScratchFolder const folder;
    return parse_plan(
        "kvstone: 1\nsources: [synthetic: {shape: gpt2}]\n"
        "grid: {context: [8, 16], codec: [fp16 | zstd, {name: planes, codec: fp16 | gear}, bf16 | zstd]}\n"
        "workloads: [roundtrip, entropy, inspect]\nexclude: [{workload: roundtrip, context: 16}]\n" +
            require,
        "test.yaml", folder.path(), vocabulary_of(folder), {{}, only});
}

std::vector<std::string> told(Plan const& plan) {
    std::vector<std::string> all;
    for (auto const& cell : plan.cells)
        all.push_back(std::to_string(cell.context) + " " + cell.codec_name + " " + cell.workload);
    return all;
}

TEST(SharedFigures, AreMeasuredOfTheFirstCodec) {
    EXPECT_THAT(told(plan_of("")),
                UnorderedElementsAre("8 fp16 | zstd roundtrip", "8 planes roundtrip", "8 bf16 | zstd roundtrip",
                                     "8 fp16 | zstd entropy", "8 bf16 | zstd entropy", "16 fp16 | zstd entropy",
                                     "16 bf16 | zstd entropy", "8 fp16 | zstd inspect", "16 fp16 | zstd inspect"));
}

TEST(SharedFigures, AreOfTheFirstThatIsAskedFor) {
    EXPECT_THAT(told(plan_of("", {"planes"})),
                UnorderedElementsAre("8 planes roundtrip", "8 planes entropy", "16 planes entropy", "8 planes inspect",
                                     "16 planes inspect"));
}

TEST(SharedFigures, AreRequiredWhereOneThatIsLeftOutIs) {
    auto const all = plan_of("");
    auto const plan = plan_of("require: [{codec: planes, context: 8}]\n");
    std::vector<std::string> required;
    for (auto const& cell : plan.cells)
        if (std::ranges::find(plan.require, cell.id) != plan.require.end())
            required.push_back(cell.codec_name + " " + cell.workload);
    EXPECT_THAT(required, UnorderedElementsAre("planes roundtrip", "fp16 | zstd entropy", "fp16 | zstd inspect"));
    EXPECT_EQ(plan.require.size(), 3);
    EXPECT_EQ(plan.hash, all.hash) << "nothing else is planned";
    // Whoever requires both requires one.
    EXPECT_EQ(plan_of("require: [{workload: inspect, context: 8}]\n").require.size(), 1);
}

}  // namespace
}  // namespace kvstone
