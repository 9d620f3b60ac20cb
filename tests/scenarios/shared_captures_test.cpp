// Queries of a model are captured with its K and V where a workload of the plan reads them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scenarios/fake_vocabulary.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

using ::testing::ElementsAre;

/// "source context workload" of the cells of a plan that are told that queries will be needed.
std::vector<std::string> told(std::string const& workloads, std::vector<std::string> const& only = {}) {
    ScratchFolder const folder;
    folder.write("model.gguf", "abc");
    folder.write("words.txt", "");
    auto vocabulary = fake_vocabulary(folder.path());
    vocabulary.workloads = {"roundtrip", "attention", "model"};
    vocabulary.capture_readers = {"roundtrip", "attention"};
    vocabulary.query_readers = {"attention"};
    auto const plan = parse_plan(
        "kvstone: 1\nsources: [model: {gguf: model.gguf, text: words.txt}, synthetic: {shape: gpt2}]\n"
        "grid: {context: [8, 16], codec: [raw]}\nworkloads: " +
            workloads + "\nexclude: [{workload: attention, context: 16}]\n",
        "test.yaml", folder.path(), vocabulary, {{}, only});
    std::vector<std::string> all;
    for (auto const& cell : plan.cells)
        if (cell.locator.value("queries", false))
            all.push_back(cell.source.at("kind").get<std::string>() + " " + std::to_string(cell.context) + " " +
                          cell.workload);
    return all;
}

TEST(SharedCaptures, HaveTheQueriesThatAWorkloadOfTheSameModelAndContextReads) {
    EXPECT_THAT(told("[roundtrip, attention, model]"), ElementsAre("model 8 roundtrip", "model 8 attention"));
}

TEST(SharedCaptures, HaveNoneWhereNoWorkloadReadsThem) {
    EXPECT_THAT(told("[roundtrip, attention, model]", {"roundtrip"}), ElementsAre());
}

}  // namespace
}  // namespace kvstone
