#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scenarios/scenario.hpp"
#include "tests/places.hpp"
#include "tests/scenarios/fake_vocabulary.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;

Plan plan_of(std::string const& yaml, PlanOptions const& options = {}) {
    return parse_plan(yaml, "test.yaml", ".", fake_vocabulary(), options);
}

std::vector<std::string> ids(Plan const& plan) {
    std::vector<std::string> all;
    for (auto const& cell : plan.cells) all.push_back(cell.id);
    return all;
}

/// "source context codec backend batch threads workload" of every cell.
std::vector<std::string> spelled(Plan const& plan) {
    std::vector<std::string> all;
    for (auto const& cell : plan.cells)
        all.push_back(cell.source_name + " " + std::to_string(cell.context) + " " + cell.codec_name + " " +
                      cell.backend + " " + std::to_string(cell.batch) + " " + std::to_string(cell.threads) + " " +
                      cell.workload);
    return all;
}

std::string const small = R"(kvstone: 1
name: small
sources:
  - synthetic: {shape: gpt2}
grid:
  context: [512, 1k]
  codec: [raw, int8, "fp16 | zstd"]
workloads: [roundtrip]
)";

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

TEST(Plan, MatchesCodecsByNameAndByAnySpellingOfTheText) {
    std::string const named = R"(kvstone: 1
sources: [synthetic: {shape: gpt2}]
grid: {context: [8], codec: [raw, {name: eight, codec: int8}]}
workloads: [roundtrip]
)";
    for (auto const* codec : {"eight", "int8", "'int8:scheme=symmetric'"})
        EXPECT_THAT(spelled(plan_of(named + "exclude: [{codec: " + codec + "}]\n")),
                    ElementsAre("gpt2 8 raw openmp 1 0 roundtrip"))
            << codec;
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

TEST(Plan, ACodecOfSeveralNamesIsOneCellThatEachMeans) {
    std::string const text = R"(kvstone: 1
sources: [synthetic: {shape: gpt2}]
grid: {context: [8], codec: [int8, {name: prod-kv, codec: int8}, {name: other, codec: "int8:scheme=symmetric"}, raw]}
workloads: [roundtrip]
targets:
  - {match: {codec: prod-kv}, component: k, metric: cosine, at_least: 0.9}
  - {match: {codec: other}, component: k, metric: cosine, at_least: 0.9}
  - {match: {codec: int8}, component: k, metric: cosine, at_least: 0.9}
require: [{codec: other}]
)";
    auto const plan = plan_of(text);
    EXPECT_THAT(spelled(plan), ElementsAre("gpt2 8 prod-kv openmp 1 0 roundtrip", "gpt2 8 raw openmp 1 0 roundtrip"));
    EXPECT_EQ(plan.cells[0].codec, "int8");
    for (auto const& target : plan.targets) {
        EXPECT_TRUE(matches(target.match, plan.cells[0]));
        EXPECT_FALSE(matches(target.match, plan.cells[1]));
    }
    EXPECT_THAT(plan.require, ElementsAre(plan.cells[0].id));
    EXPECT_EQ(plan_of(text, {{}, {"other"}}).cells.size(), 1);
    // The names change no cell.
    EXPECT_EQ(plan.hash, plan_of(text, {{{"grid.codec.0", "{name: other, codec: int8}"}}, {}}).hash);
    // One name for two codecs is refused whichever entry has it.
    EXPECT_THROW(plan_of(text, {{{"grid.codec.3", "{name: other, codec: raw}"}}, {}}), ConfigError);
    EXPECT_THROW(plan_of(text, {{{"grid.codec.3", "{name: prod-kv, codec: raw}"}}, {}}), ConfigError);
}

TEST(Plan, CodecMapFormStandsForItsRules) {
    auto const codec = [](std::string const& map) {
        return plan_of(small, {{{"grid.codec", "[" + map + "]"}}, {}}).cells.at(0).codec;
    };
    EXPECT_EQ(codec(R"({name: kivi4, window: 128, k: "int:bits=4,axis=channel,group=32", v: "int:bits=4,axis=token"})"),
              "window(128){raw} k{int:bits=4,axis=channel,group=32} v{int:bits=4,axis=token}");
    EXPECT_EQ(codec(R"({rest: int8, sink: 4, layers: {"0-1": fp16 | gear | zstd}, heads: {"3": raw}})"),
              "layers(0-1){fp16 | gear | zstd} heads(3){raw} sink(4){raw} rest{int8}");
    EXPECT_EQ(codec("{rest: 'int8:scheme=symmetric'}"), "int8");
}

std::string const by_source = R"(kvstone: 1
sources:
  - synthetic: {shape: gpt2}
  - {name: other, synthetic: {layers: 2, kv_heads: 1, head_dim: 8}}
grid:
  context: [8]
  codec:
    - raw
    - {name: hybrid, codec: int8, sources: {other: "layers(0){fp16} rest{int8:scheme=symmetric}"}}
workloads: [roundtrip]
)";

TEST(Plan, CodecTextMayBeABlockScalarWithTabs) {
    auto const plan = plan_of(R"(kvstone: 1
sources:
  - synthetic: {shape: gpt2}
grid:
  context: [512]
  codec:
    - |
      k{int8}
      v{fp16 | zstd}
    - "fp16\t|\tzstd"
    - name: folded
      codec: >
        k{fp16}
        v{int8}
    - {name: parts, k: "int8\n", v: "\tfp16"}
workloads: [roundtrip]
exclude:
  - codec: |
      k{int8}
      v{fp16 | zstd}
)");
    std::vector<std::string> codecs;
    for (auto const& cell : plan.cells) codecs.push_back(cell.codec_name + " = " + cell.codec);
    EXPECT_THAT(codecs,
                ElementsAre("fp16 | zstd = fp16 | zstd", "folded = k{fp16} v{int8}", "parts = k{int8} v{fp16}"));
    // Other control characters are none.
    EXPECT_THROW(
        plan_of("kvstone: 1\nsources: [synthetic: {shape: gpt2}]\ngrid: {context: [1], codec: [\"fp16\\u0001\"]}\n"
                "workloads: [roundtrip]\n"),
        ConfigError);
}

TEST(Plan, ACodecMayDifferBySource) {
    auto const plan = plan_of(by_source);
    EXPECT_THAT(spelled(plan), ElementsAre("gpt2 8 raw openmp 1 0 roundtrip", "gpt2 8 hybrid openmp 1 0 roundtrip",
                                           "other 8 raw openmp 1 0 roundtrip", "other 8 hybrid openmp 1 0 roundtrip"));
    EXPECT_EQ(plan.cells[1].codec, "int8");
    EXPECT_EQ(plan.cells[3].codec, "layers(0){fp16} rest{int8}");
    // A cell is its codec's text: who sets it for one source has the cells of who lists it for all.
    auto const listed = plan_of(by_source, {{{"grid.codec", "[int8, 'layers(0){fp16} rest{int8}']"}}, {}});
    EXPECT_EQ(plan.cells[1].id, listed.cells[0].id);
    EXPECT_EQ(plan.cells[3].id, listed.cells[3].id);
}

TEST(Plan, ACodecThatDiffersBySourceIsMatchedByNameOrByText) {
    EXPECT_THAT(spelled(plan_of(by_source + "exclude: [{codec: hybrid}]\n")),
                ElementsAre("gpt2 8 raw openmp 1 0 roundtrip", "other 8 raw openmp 1 0 roundtrip"));
    EXPECT_THAT(spelled(plan_of(by_source + "exclude: [{codec: int8}, {codec: 'layers(0){fp16}   rest{int8}'}]\n")),
                ElementsAre("gpt2 8 raw openmp 1 0 roundtrip", "other 8 raw openmp 1 0 roundtrip"));
    EXPECT_THAT(spelled(plan_of(by_source + "exclude: [{codec: int8}]\n")),
                ElementsAre("gpt2 8 raw openmp 1 0 roundtrip", "other 8 raw openmp 1 0 roundtrip",
                            "other 8 hybrid openmp 1 0 roundtrip"));
    auto const plan = plan_of(
        by_source + "published: [{match: {codec: hybrid}, component: k, metric: mae, value: 1, comparable: 'no'}]\n");
    std::vector<bool> matched;
    for (auto const& cell : plan.cells) matched.push_back(matches(plan.published[0].match, cell));
    EXPECT_THAT(matched, ElementsAre(false, true, false, true));
}

TEST(Plan, ASourcesOwnCodecThatIsAnotherEntrysIsTakenOnce) {
    EXPECT_THAT(spelled(plan_of(by_source, {{{"grid.codec.1.sources", "{other: raw}"}}, {}})),
                ElementsAre("gpt2 8 raw openmp 1 0 roundtrip", "gpt2 8 hybrid openmp 1 0 roundtrip",
                            "other 8 raw openmp 1 0 roundtrip"));
    // An override may take a source away that the file still has settings for.
    EXPECT_EQ(plan_of(by_source, {{{"sources", "[synthetic: {shape: gpt2}]"}}, {}}).cells.size(), 2);
}

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
    // What is set is looked at, too; what it brings may be named, and what it takes away.
    EXPECT_EQ(says("require: [{codec: int8}]\n", {{"require.0.codec", "nosuch"}}),
              "require.0.codec: no such codec in this scenario");
    EXPECT_EQ(says("require: [{codec: bf16}]\n", {{"grid.codec", "[bf16]"}}), "accepted");
    EXPECT_EQ(says("require: [{codec: int8}]\n", {{"grid.codec", "[bf16]"}}), "accepted");
    EXPECT_EQ(says("require: [{workload: roundtrip}]\n", {{"workloads", "[attention]"}}), "accepted");
    EXPECT_EQ(says("exclude: [{source: gpt2}]\n", {{"sources", "[synthetic: {shape: llama-3.1-8b}]"}}), "accepted");
    // Sources that are not there are often why they are set: what they were called is not known then.
    auto const absent =
        "kvstone: 1\nsources: [dump: {path: absent.npz}]\ngrid: {context: [8], codec: [raw]}\n"
        "workloads: [roundtrip]\nexclude: [{source: absent}]\n";
    EXPECT_EQ(plan_of(absent, {{{"sources", "[synthetic: {shape: gpt2}]"}}, {}}).cells.size(), 1);
}

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
    EXPECT_EQ(plan_of(small).hash, "efe066ff10b403d0");
    EXPECT_EQ(plan_of(small, {{{"measure.placement", "any"}}, {}}).hash, "efe066ff10b403d0");
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
