// Codecs of a grid: their spellings, names and sources.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scenarios/small_plan.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;

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
    EXPECT_EQ(codec(R"({keep: "policy=knorm,share=0.5", window: 8, rest: int8})"),
              "keep:policy=knorm,share=0.5 | window(8){raw} rest{int8}");
    EXPECT_EQ(codec(R"({keep: "policy=knorm,share=0.5", codec: "fp16"})"), "keep:policy=knorm,share=0.5 | fp16");
    EXPECT_THROW(codec(R"({keep: "policy=knorm,share=0.5"})"), ConfigError);
    EXPECT_EQ(codec(R"({name: own, keep: "policy=knorm,share=0.5", codec: int8, sources: {gpt2: fp16}})"),
              "keep:policy=knorm,share=0.5 | fp16")
        << "a source's own codec stands behind the same stage";
}

TEST(Plan, ListsOfKAndVStandForAllPairs) {
    auto const codecs = [](std::string const& value) {
        std::vector<std::string> names;
        for (auto const& cell : plan_of(small, {{{"grid.codec", value}}, {}}).cells)
            if (cell.context == 512) names.push_back(cell.codec_name);
        return names;
    };
    auto const pairs = ElementsAre("window(4){raw} k{fp16} v{fp16}", "window(4){raw} k{fp16} v{int8}",
                                   "window(4){raw} k{int8} v{fp16}", "window(4){raw} k{int8} v{int8}");
    EXPECT_THAT(codecs("{k: [fp16, int8], v: [fp16, int8], window: 4}"), pairs);
    EXPECT_THAT(codecs("[{k: [fp16, int8], v: [fp16, int8], window: 4}]"), pairs);
    EXPECT_THAT(codecs("[raw, {k: [fp16, int8], v: bf16}]"), ElementsAre("raw", "k{fp16} v{bf16}", "k{int8} v{bf16}"));
    EXPECT_THAT(codecs("[{k: [fp16, fp16], rest: bf16}]"), ElementsAre("k{fp16} rest{bf16}")) << "each pair once";
    EXPECT_THAT(codecs("[{name: one, k: [fp16], v: [int8]}]"), ElementsAre("one"));
    EXPECT_THROW(codecs("[{name: two, k: [fp16, int8], v: raw}]"), ConfigError);
    EXPECT_THROW(codecs("[{k: [fp16, int8], v: []}]"), ConfigError);
    EXPECT_THROW(codecs("[{rest: [fp16, int8]}]"), ConfigError);
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

}  // namespace
}  // namespace kvstone
