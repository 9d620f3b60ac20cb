// Plans: their cells, settings and hash.

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/places.hpp"
#include "tests/scenarios/small_plan.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;

TEST(Plan, HasEveryCellInTheStatedOrder) {
    auto const plan = plan_of(R"(kvstone: 1
sources:
  - synthetic: {shape: gpt2}
  - {name: second, synthetic: {layers: 2, kv_heads: 1, head_dim: 8}}
grid: {context: [2, 1], codec: [int8, raw], backend: [cuda, openmp], batch: [2, 1], threads: [2, all]}
workloads: [roundtrip, attention]
)");
    ASSERT_EQ(plan.cells.size(), 128);
    auto const cells = spelled(plan);
    EXPECT_EQ(cells[0], "gpt2 2 int8 cuda 2 2 roundtrip");
    EXPECT_EQ(cells[1], "gpt2 2 int8 cuda 2 2 attention");
    EXPECT_EQ(cells[2], "gpt2 2 int8 cuda 2 0 roundtrip");
    EXPECT_EQ(cells[4], "gpt2 2 int8 cuda 1 2 roundtrip");
    EXPECT_EQ(cells[8], "gpt2 2 int8 openmp 2 2 roundtrip");
    EXPECT_EQ(cells[16], "gpt2 2 raw cuda 2 2 roundtrip");
    EXPECT_EQ(cells[32], "gpt2 1 int8 cuda 2 2 roundtrip");
    EXPECT_EQ(cells[64], "second 2 int8 cuda 2 2 roundtrip");
    EXPECT_EQ(cells[127], "second 1 raw openmp 1 0 attention");
    EXPECT_EQ(plan.scenario, "test");
}

TEST(Plan, HasTheDefaultsOfMeasureAndGrid) {
    auto const plan = plan_of(
        "{kvstone: 1, sources: [synthetic: {shape: gpt2}], grid: {context: [8], codec: [raw]}, "
        "workloads: [roundtrip]}");
    EXPECT_THAT(spelled(plan), ElementsAre("gpt2 8 raw openmp 1 0 roundtrip"));
    EXPECT_EQ(plan.measure, Measure{});
}

TEST(Plan, ReadsMeasureWithUnits) {
    auto const measure = plan_of(small +
                                 "measure: {min_time: 250 ms, repetitions: 1, processes: 3, timeout: 2 min, "
                                 "memory: 4 GiB, timing: off, threads: 3, placement: pinned}\n");
    EXPECT_DOUBLE_EQ(measure.measure.min_time_s, 0.25);
    EXPECT_EQ(measure.measure.repetitions, 1);
    EXPECT_EQ(measure.measure.processes, 3);
    EXPECT_EQ(measure.measure.timeout_s, 120);
    EXPECT_EQ(measure.measure.memory_bytes, std::uint64_t{4} << 30);
    EXPECT_FALSE(measure.measure.timing);
    EXPECT_EQ(measure.measure.placement, Placement::pinned);
    EXPECT_EQ(measure.cells[0].threads, 3);
    EXPECT_EQ(measure_from_json(to_json(measure.measure)), measure.measure);
}

TEST(Plan, CountingWorkTakesThePlaceOfTimesAndQuality) {
    auto const work = plan_of(small + "measure: {work: callgrind, work_tokens: 64}\n").measure;
    ASSERT_TRUE(work.work);
    EXPECT_EQ(*work.work, (WorkSample{1, 64, false}));
    EXPECT_FALSE(work.timing);
    EXPECT_FALSE(work.quality);
    EXPECT_EQ(measure_from_json(Json::parse(to_json(work).dump())), work);
    EXPECT_NE(plan_of(small + "measure: {work: callgrind, work_tokens: 64}\n").hash,
              plan_of(small + "measure: {work: callgrind, work_layers: 2, work_start: on, work_tokens: 64}\n").hash)
        << "counts on other parts of the tensors are another campaign";
    auto const off = plan_of(small + "measure: {work: off, work_tokens: 64}\n");
    EXPECT_EQ(off.measure, Measure{});
    EXPECT_EQ(off.hash, plan_of(small).hash) << "as without the keys";
}

TEST(Plan, EnergyIsAnotherWayToMeasure) {
    auto const on = plan_of(small + "measure: {energy: on, timing: only}\n");
    EXPECT_TRUE(on.measure.energy);
    EXPECT_TRUE(on.measure.timing);
    EXPECT_EQ(measure_from_json(Json::parse(to_json(on.measure).dump())), on.measure);
    EXPECT_NE(on.hash, plan_of(small + "measure: {timing: only}\n").hash);
    auto const off = plan_of(small + "measure: {energy: off}\n");
    EXPECT_EQ(off.hash, plan_of(small).hash) << "as without the key";
}

TEST(Plan, UnitsMeanWhatTheySay) {
    struct Case {
        char const* key;
        char const* text;
        double value;
    };
    for (auto const& [key, text, value] :
         {Case{"min_time", "0 s", 0}, Case{"min_time", "0.5s", 0.5}, Case{"timeout", "1 h", 3600},
          Case{"timeout", "'3 min'", 180}, Case{"memory", "1 B", 1}, Case{"memory", "2 kB", 2000},
          Case{"memory", "1.5 KiB", 1536}, Case{"memory", "3 MB", 3e6}, Case{"memory", "1 MiB", 1048576},
          Case{"memory", "1 GB", 1e9}, Case{"memory", "1 TB", 1e12}, Case{"memory", "1 TiB", 1099511627776}}) {
        auto const measure = plan_of(small + "measure: {" + key + ": " + text + "}\n").measure;
        auto const found = key[0] == 't'   ? measure.timeout_s
                           : key[1] == 'i' ? measure.min_time_s
                                           : static_cast<double>(measure.memory_bytes);
        EXPECT_DOUBLE_EQ(found, value) << text;
    }
    auto const plan = plan_of(small, {{{"grid.context", "[1, 32k, 1M, '7']"}}, {}});
    std::vector<std::uint64_t> contexts;
    for (std::size_t i = 0; i < plan.cells.size(); i += 3) contexts.push_back(plan.cells[i].context);
    EXPECT_THAT(contexts, ElementsAre(1, 32768, 1048576, 7));
}

TEST(Plan, LeavesOutWhatExcludeTakes) {
    EXPECT_THAT(spelled(plan_of(small + "exclude: [{codec: int8, context: 512}]\n")),
                ElementsAre("gpt2 512 raw openmp 1 0 roundtrip", "gpt2 512 fp16 | zstd openmp 1 0 roundtrip",
                            "gpt2 1024 raw openmp 1 0 roundtrip", "gpt2 1024 int8 openmp 1 0 roundtrip",
                            "gpt2 1024 fp16 | zstd openmp 1 0 roundtrip"));
    EXPECT_THAT(spelled(plan_of(small + "exclude:\n  - {codec: [raw, int8]}\n  - {context: 1024}\n")),
                ElementsAre("gpt2 512 fp16 | zstd openmp 1 0 roundtrip"));
}

TEST(Plan, NamesRequiredCells) {
    auto const plan = plan_of(small + "require: [{codec: [raw, int8], context: 1k}, {codec: raw}]\n");
    EXPECT_THAT(plan.require, ElementsAre(plan.cells[0].id, plan.cells[3].id, plan.cells[4].id));
    auto const part = plan_of(small + "require: [{codec: raw}]\n", {{}, {"zstd"}});
    EXPECT_TRUE(part.require.empty());
}

TEST(Plan, KeepsOnlyCellsThatHaveEveryWord) {
    EXPECT_EQ(plan_of(small, {{}, {"zstd"}}).cells.size(), 2);
    EXPECT_EQ(plan_of(small, {{}, {"zstd", "512"}}).cells.size(), 1);
    auto const id = plan_of(small).cells[4].id;
    EXPECT_THAT(ids(plan_of(small, {{}, {id}})), ElementsAre(id));
    EXPECT_THROW(plan_of(small, {{}, {"zstd", "int8"}}), ConfigError);
}

TEST(Plan, APartIsWhatAnyOfItsMatchesTakes) {
    auto const parted =
        small + "parts:\n  quick: [{codec: raw, context: 512}, {codec: int8}]\n  long: [{context: 1k}]\n";
    EXPECT_EQ(ids(plan_of(parted)), ids(plan_of(small))) << "parts alone leave every cell, and its name";
    EXPECT_EQ(plan_of(parted).hash, plan_of(small).hash);
    EXPECT_THAT(spelled(plan_of(parted, {{}, {"quick"}})),
                ElementsAre("gpt2 512 raw openmp 1 0 roundtrip", "gpt2 512 int8 openmp 1 0 roundtrip",
                            "gpt2 1024 int8 openmp 1 0 roundtrip"));
    EXPECT_THAT(spelled(plan_of(parted, {{}, {"quick", "long"}})), ElementsAre("gpt2 1024 int8 openmp 1 0 roundtrip"));
    EXPECT_THAT(spelled(plan_of(parted, {{}, {"quick", "raw"}})), ElementsAre("gpt2 512 raw openmp 1 0 roundtrip"));
    EXPECT_THROW(plan_of(parted, {{}, {"long", "512"}}), ConfigError);
    EXPECT_THROW(plan_of(small, {{}, {"quick"}}), ConfigError);
    // A value that is no longer there takes nothing.
    EXPECT_THAT(spelled(plan_of(parted, {{{"grid.codec", "[raw]"}}, {"quick"}})),
                ElementsAre("gpt2 512 raw openmp 1 0 roundtrip"));
}

TEST(Plan, TakesEqualCellsOnceAndKeepsTheFirstNameThatWasGiven) {
    auto const plan = plan_of(R"(kvstone: 1
sources:
  - synthetic: {shape: gpt2}
  - {name: twin, synthetic: {layers: 12, kv_heads: 12, head_dim: 64, seed: 0}}
grid: {context: [512, 512], codec: [{name: first, codec: int8}, "int8:scheme=symmetric"], threads: [0, all]}
workloads: [roundtrip, roundtrip]
)");
    EXPECT_THAT(spelled(plan), ElementsAre("twin 512 first openmp 1 0 roundtrip"));
}

TEST(Plan, ASourceOfSeveralNamesIsOneThatEachMeans) {
    auto const plan = plan_of(R"(kvstone: 1
sources:
  - {name: prod, synthetic: {shape: gpt2}}
  - {name: twin, synthetic: {layers: 12, kv_heads: 12, head_dim: 64}}
grid: {context: [8], codec: [raw, {name: own, codec: int8, sources: {twin: fp16}}]}
workloads: [roundtrip]
exclude: [{source: twin, codec: raw}]
)");
    EXPECT_THAT(spelled(plan), ElementsAre("prod 8 own openmp 1 0 roundtrip"));
    EXPECT_EQ(plan.cells[0].codec, "fp16");
}

TEST(Plan, HashCoversCellsAndMeasureAlone) {
    auto const hash = plan_of(small).hash;
    EXPECT_EQ(hash.size(), 16);
    EXPECT_EQ(plan_of(small, {{{"name", "other"}}, {}}).hash, hash);
    EXPECT_EQ(plan_of(small, {{{"grid.context", "[1k, 512]"}}, {}}).hash, hash);
    EXPECT_NE(plan_of(small, {{{"grid.context", "[512]"}}, {}}).hash, hash);
    EXPECT_NE(plan_of(small, {{{"measure.repetitions", "6"}}, {}}).hash, hash);
    EXPECT_NE(plan_of(small, {{{"measure.placement", "pinned"}}, {}}).hash, hash);
}

TEST(Plan, HashesOfPlansWithoutLaterOptionsStay) {
    std::pair<std::string, std::string> const first_format{"sources.0.synthetic.format", "1"};
    EXPECT_EQ(plan_of(small, {{first_format}, {}}).hash, "efe066ff10b403d0");
    EXPECT_EQ(plan_of(small, {{first_format, {"measure.placement", "any"}}, {}}).hash, "efe066ff10b403d0");
}

TEST(Plan, AliasesAreCopies) {
    auto const plan = plan_of(R"(kvstone: 1
sources: [synthetic: {shape: gpt2}]
grid: {context: &sizes [1, 2], batch: *sizes, codec: [raw]}
workloads: [roundtrip]
)");
    EXPECT_EQ(plan.cells.size(), 4);
}

TEST(Plan, ShippedScenariosAreValid) {
    auto const yaml = std::filesystem::path(source_folder()) / "scenarios" / "library" / "quickstart.yaml";
    auto vocabulary = fake_vocabulary();
    // Any file will do for the built-in ones: this asks about the scenario, not about the model.
    vocabulary.builtin_path = [&](std::string const&) { return yaml.string(); };
    auto const plan = load_plan(yaml.string(), vocabulary);
    EXPECT_EQ(plan.cells.size(), 2 * 2 * 7);
    EXPECT_EQ(plan.scenario, "quickstart");
}

}  // namespace
}  // namespace kvstone
