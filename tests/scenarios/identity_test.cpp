#include <fstream>

#include <gtest/gtest.h>

#include "scenarios/scenario.hpp"
#include "tests/places.hpp"
#include "tests/scenarios/fake_vocabulary.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

std::string const spelled = R"(kvstone: 1
name: one
sources:
  - synthetic: {shape: llama-3.1-8b, layers: 2, seed: 7}
  - model: {gguf: model.gguf, text: text.txt}
  - dump: {path: cache.safetensors, k: keys}
grid:
  context: [512, 2k]
  codec: [raw, int8, {name: mixed, window: 4, rest: int8}]
  backend: [openmp]
workloads: [roundtrip]
measure: {repetitions: 5}
)";

std::string const spelled_otherwise = R"(# the same cells
workloads: [roundtrip]
measure: {min_time: 1 s, repetitions: 9}
grid:
  threads: [0]
  codec: [{codec: "window(4){raw}   rest{int8:scheme=symmetric}", name: another}, "int8:scheme=symmetric", raw]
  batch: [1]
  context: [2048, 512]
sources:
  - dump: {k: keys, path: ./cache.safetensors, layout: layer head token dim}
    name: d
  - model: {text: text.txt, path: model.gguf}
    name: m
  - {name: s, synthetic: {seed: 7, head_dim: 128, kv_heads: 8, heads: 32, layers: 2, rope_base: 5e5, distribution: llama}}
name: two
kvstone: 1
)";

class Identity : public testing::Test {
  protected:
    Identity() {
        folder_.write("model.gguf", "a model");
        folder_.write("text.txt", "a text");
        folder_.write("cache.safetensors", "a cache");
    }
    Plan plan_of(std::string const& yaml) const {
        return parse_plan(yaml, "test.yaml", folder_.path(), fake_vocabulary(folder_.path()));
    }

    ScratchFolder folder_;
};

TEST_F(Identity, DoesNotDependOnOrderNamesOrDefaultsSpeltOut) {
    std::vector<std::string> ids;
    for (auto const& text : {spelled, spelled_otherwise}) {
        auto cells = plan_of(text).cells;
        ASSERT_EQ(cells.size(), 18);
        std::sort(cells.begin(), cells.end(), [](Cell const& a, Cell const& b) { return a.id < b.id; });
        for (auto const& cell : cells) ids.push_back(cell.id);
    }
    EXPECT_TRUE(std::equal(ids.begin(), ids.begin() + 18, ids.begin() + 18));
}

TEST_F(Identity, MovesWithEveryMember) {
    auto const cell = plan_of(spelled).cells[0];
    auto const moved = [&cell](auto change) {
        auto other = cell;
        change(other);
        identify(other);
        return other.id != cell.id;
    };
    EXPECT_TRUE(moved([](Cell& other) { other.workload = "attention"; }));
    EXPECT_TRUE(moved([](Cell& other) { other.source["seed"] = 8; }));
    EXPECT_TRUE(moved([](Cell& other) { other.context = 513; }));
    EXPECT_TRUE(moved([](Cell& other) { other.context = 0; }));
    EXPECT_TRUE(moved([](Cell& other) { other.batch = 2; }));
    EXPECT_TRUE(moved([](Cell& other) { other.page = 64; }));
    EXPECT_FALSE(moved([](Cell& other) { other.page = 16; }));
    EXPECT_TRUE(moved([](Cell& other) { other.codec = "fp16"; }));
    EXPECT_TRUE(moved([](Cell& other) { other.backend = "cuda"; }));
    EXPECT_TRUE(moved([](Cell& other) { other.threads = 1; }));
    EXPECT_FALSE(moved([](Cell& other) { other.codec_name = other.source_name = "x"; }));
    EXPECT_FALSE(moved([](Cell& other) { other.locator = {{"path", "x"}}; }));
}

TEST_F(Identity, PagesAreSpeltWhereTheyAreNotTheDefault) {
    std::string text = spelled;
    text.insert(text.find("  backend:"), "  page: [64, 16]\n");
    auto const cells = plan_of(text).cells;
    ASSERT_EQ(cells.size(), 2 * plan_of(spelled).cells.size());
    EXPECT_NE(cells[0].canonical.find(R"(,"page":64,"source":)"), std::string::npos) << cells[0].canonical;
    EXPECT_EQ(cells[1].canonical, plan_of(spelled).cells[0].canonical);
    EXPECT_EQ(cells[0].page, 64);
}

TEST_F(Identity, CanonicalTextIsSortedCompactJson) {
    for (auto cell : plan_of(spelled).cells) {
        cell.threads = 2;
        cell.batch = 3;
        cell.page = 256;
        cell.codec = "quo\"te \\ \xc3\xa9";
        identify(cell);
        EXPECT_EQ(Json::parse(cell.canonical).dump(), cell.canonical);
    }
}

TEST_F(Identity, CanonicalTextAndJsonReadBack) {
    for (auto const& cell : plan_of(spelled).cells) {
        auto const identity = cell_from_canonical(cell.canonical);
        EXPECT_EQ(identity.canonical, cell.canonical);
        EXPECT_EQ(identity.id, cell.id);
        EXPECT_EQ(identity.source, cell.source);
        auto const whole = cell_from_json(Json::parse(to_json(cell).dump()));
        EXPECT_EQ(to_json(whole), to_json(cell));
        EXPECT_EQ(whole.locator, cell.locator);
    }
}

TEST_F(Identity, RefusesTextsThatAreNotCanonical) {
    auto const cell = plan_of(spelled).cells[0];
    for (auto const* text : {"", "{", "[]", "null", "{}", R"({"backend":1})"})
        EXPECT_THROW(cell_from_canonical(text), ConfigError) << text;
    EXPECT_THROW(cell_from_canonical(" " + cell.canonical), ConfigError);
    auto json = Json::parse(cell.canonical);
    json["batch"] = 1;
    EXPECT_THROW(cell_from_canonical(json.dump()), ConfigError);
    auto altered = to_json(cell);
    altered["context"] = 1;
    EXPECT_THROW(cell_from_json(altered), ConfigError);
    altered.erase("codec");
    EXPECT_THROW(cell_from_json(altered), ConfigError);
    EXPECT_THROW(measure_from_json(Json::array()), ConfigError);
    EXPECT_THROW(measure_from_json(Json{{"min_time_s", "x"}}), ConfigError);
}

/// tests/golden/cell_ids.txt holds "ID CANONICAL" lines; those two belong together for ever.
TEST(GoldenIds, NeverMove) {
    std::ifstream file(source_folder() + "/tests/golden/cell_ids.txt");
    ASSERT_TRUE(file);
    int lines = 0;
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#') continue;
        ++lines;
        auto const cell = cell_from_canonical(line.substr(17));
        EXPECT_EQ(cell.id, line.substr(0, 16)) << line;
    }
    EXPECT_EQ(lines, 12);
}

/// The golden lines are those of this scenario, which names every kind of source.
TEST(GoldenIds, ComeFromAScenario) {
    ScratchFolder const folder;
    folder.write("tiny", "abc");
    folder.write("builtin", "");
    folder.write("cache.npz", "abc");
    folder.write("cache.bin", "abc");
    folder.write("cache.bin.yaml", "{dtype: f16, shape: [1, 1, 2, 4], k: {}, v: {offset: 16}}");
    auto words = fake_vocabulary(folder.path());
    words.workloads.emplace_back("model");
    words.workload_options["model"] = {{"protocol", WorkloadOption::Kind::choice, {}, {"context", "inline"}, 0, 0, ""},
                                       {"passages", WorkloadOption::Kind::number, 8, {}, 1, 100, ""}};
    words.workloads.emplace_back("prefix_cache");
    words.workload_options["prefix_cache"] = {{"trace", WorkloadOption::Kind::file, "", {}, 0, 0, ""},
                                              {"policy", WorkloadOption::Kind::choice, "lru", {"lru", "arc"}, 0, 0, ""},
                                              {"budget", WorkloadOption::Kind::bytes, 0, {}, 0, 0, ""},
                                              {"ttl", WorkloadOption::Kind::duration, 0, {}, 0, 0, ""}};
    auto const plan = parse_plan(R"(kvstone: 1
sources:
  - model: {gguf: tiny}
  - dump: {path: cache.npz, k: values, scale: scale, dtype: i8, layout: token dim}
  - dump: {path: cache.npz}
  - dump: {path: cache.bin}
  - synthetic: {shape: llama-3.1-8b, layers: 2, seed: 7, format: 1}
  - {name: second, synthetic: {shape: llama-3.1-8b, layers: 2, seed: 7}}
  - {name: plain, synthetic: {layers: 1, kv_heads: 2, head_dim: 64, distribution: normal}}
grid:
  context: [512, all]
  codec: ["int8:scheme=symmetric", {window: 128, k: "int:bits=4,axis=channel", v: "fp16 | zstd"}]
  backend: [openmp, cuda]
  batch: [1, 4]
  threads: [all, 2]
workloads:
  - roundtrip
  - attention
  - model: {protocol: context, passages: 4}
  - prefix_cache: {trace: cache.npz, policy: [lru, arc], budget: 64 GiB, ttl: 5 min}
exclude: [{source: [llama-3.1-8b, second, plain], context: all}]
)",
                                 "golden.yaml", folder.path(), words);
    std::ifstream file(source_folder() + "/tests/golden/cell_ids.txt");
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line[0] == '#') continue;
        bool const found = std::any_of(plan.cells.begin(), plan.cells.end(),
                                       [&line](Cell const& cell) { return line == cell.id + " " + cell.canonical; });
        EXPECT_TRUE(found) << line;
    }
}

}  // namespace
}  // namespace kvstone
