// Output for people fits their terminal.

#include <sstream>

#include <gmock/gmock.h>

#include "results/record/text.hpp"
#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> lines_of(std::string const& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

class WidthTest : public ProgramTest {
  protected:
    /// The output of a command on a terminal of this width; 0: without one.
    std::string printed(std::string const& arguments, std::size_t columns) const {
        auto const width = columns == 0 ? "unset COLUMNS; " : "export COLUMNS=" + std::to_string(columns) + "; ";
        auto const ended = shell(width + "kvstone " + arguments);
        EXPECT_NE(ended.code, 2) << arguments << "\n" << ended.err;
        EXPECT_NE(ended.out, "") << arguments << "\n" << ended.err;
        return ended.out;
    }
    void expect_to_fit(std::string const& arguments) const {
        for (std::size_t const columns : {0U, 80U, 50U}) {
            auto const most = columns == 0 ? 120 : columns;
            for (auto const& line : lines_of(printed(arguments, columns)))
                EXPECT_LE(display_width(line), most) << arguments << "\n" << line;
        }
    }
    json json_of(std::string const& arguments) const {
        auto const ended = kvstone(arguments + " --json");
        EXPECT_EQ(ended.code, 0) << arguments << ended.err;
        return json::parse(ended.out);
    }
    std::vector<std::string> verbs() const {
        std::vector<std::string> names;
        bool listed = false;
        for (auto const& line : lines_of(printed("--help", 120))) {
            if (line == "SUBCOMMANDS:" || line == "Subcommands:") {
                listed = true;
            } else if (line.empty()) {
                listed = false;
            } else if (listed && line.size() > 2 && line[2] != ' ') {
                names.push_back(line.substr(2, line.find(' ', 2) - 2));
            }
        }
        return names;
    }
};

TEST_F(WidthTest, ListsAndEverythingInThem) {
    for (std::string const subject :
         {"backends", "codecs", "metrics", "models", "scenarios", "schema", "sources", "stages", "workloads"})
        expect_to_fit("list " + subject);
    for (auto const& stage : json_of("list stages")) {
        auto const name = stage["stage"].get<std::string>();
        expect_to_fit("list stages " + name);
        auto const page = printed("list stages " + name, 120);
        EXPECT_THAT(page, HasSubstr("\nFormat\n")) << name << " has no format page";
        EXPECT_THAT(page, HasSubstr("\nsource")) << name;
    }
    expect_to_fit("list codecs palu");
    expect_to_fit("list codecs balanced");
    expect_to_fit("list codecs 'sink(4){raw} k{int:bits=4,axis=channel,group=32} v{int:bits=4,axis=token,group=32}'");
    expect_to_fit("list metrics kld_mean");
    expect_to_fit("list workloads prefix_cache");
    expect_to_fit("list schema v_latest");
}

TEST_F(WidthTest, ANameIsToldInFull) {
    auto const stage = printed("list stages int", 120);
    EXPECT_THAT(stage, HasSubstr("scale alone, or scale and zero point")) << "what an option means";
    EXPECT_THAT(stage, HasSubstr("Planes     payload: b-bit codes"));
    EXPECT_THAT(printed("list stages int8", 120), HasSubstr("Planes     payload: b-bit codes"));
    EXPECT_THAT(printed("list stages", 120), Not(HasSubstr("scheme=")));
    EXPECT_THAT(printed("list codecs balanced", 120), HasSubstr("llama.cpp"));
    EXPECT_THAT(printed("list workloads model", 120), HasSubstr("protocol"));
    EXPECT_THAT(printed("list workloads", 120), Not(HasSubstr("must be given")));
    EXPECT_EQ(json_of("list stages int").size(), 1U);
    EXPECT_EQ(json_of("list stages int")[0]["stage"], "int");
    EXPECT_EQ(json_of("list schema v_latest")[0]["table or view"], "v_latest");
    EXPECT_EQ(kvstone("list stages nosuch").code, 2);
    EXPECT_EQ(kvstone("list metrics nosuch").code, 2);
    EXPECT_EQ(kvstone("list sources nosuch").code, 2);
}

TEST_F(WidthTest, HelpEndsWithTwoExamples) {
    expect_to_fit("--help");
    auto const names = verbs();
    EXPECT_GE(names.size(), 18U);
    for (auto const& name : names) {
        expect_to_fit(name + " --help");
        auto const lines = lines_of(printed(name + " --help", 120));
        auto const start = std::ranges::find(lines, "Examples:");
        ASSERT_EQ(lines.end() - start, 3) << name;
        for (auto line = start + 1; line != lines.end(); ++line) EXPECT_THAT(*line, testing::StartsWith("  kvstone "));
    }
    for (std::string const part : {"merge", "prune", "check"}) expect_to_fit("db " + part + " --help");
}

TEST_F(WidthTest, PlansFiguresAndComparisons) {
    write("s.yaml",
          "kvstone: 1\nname: a-scenario-with-a-name-of-some-length\n"
          "sources: [{synthetic: {layers: 2, heads: 4, kv_heads: 2, head_dim: 64}}]\n"
          "grid: {context: [64, 100], codec: [raw, {name: packed, codec: fp16 | zstd}, "
          "'sink(4){raw} window(16){raw} k{int:bits=4,axis=channel,group=32} v{int:bits=4,axis=token,group=32}']}\n"
          "workloads: [roundtrip, attention, append, inspect, entropy]\nmeasure: {timing: off}\n"
          "targets: [{match: {codec: raw}, component: k, metric: cosine, at_least: 0.9}]\n"
          "published: [{match: {codec: raw}, component: kv, metric: ratio_vs_fp16, value: 2, setting: a, comparable: "
          "exact}]\n");
    expect_to_fit("plan s.yaml");
    expect_to_fit("plan s.yaml --simulate nodes=1,2,16,mtbf=500,back=10");
    ASSERT_EQ(kvstone("run s.yaml").code, 0);
    ASSERT_EQ(kvstone("run s.yaml --fresh --set 'grid.context=[64]'").code, 0);
    for (std::string const subject : {"", "campaigns", "cells", "failures", "missing", "published", "targets",
                                      "--pareto", "--best 'nmse < 1e-3'", "--best 'nmse < 1e-30'", "--history nmse"})
        if (subject != "failures" && subject != "missing") expect_to_fit("show " + subject);
    auto const campaigns = rows("select campaign from v_campaign order by started_utc");
    auto const compared = "compare kvstone.db:" + campaigns[0]["campaign"].get<std::string>() +
                          " kvstone.db:" + campaigns[1]["campaign"].get<std::string>();
    expect_to_fit(compared);
    expect_to_fit(compared + " --all");
    expect_to_fit("query 'select * from v_latest limit 3'");
    expect_to_fit("query @list");
    auto const table = printed("show campaigns", 120);
    EXPECT_THAT(table, HasSubstr("In all 2 rows: "));
    EXPECT_THAT(table, Not(testing::ContainsRegex("[0-9a-f]{20}"))) << "twelve digits of a commit are enough";
    EXPECT_THAT(printed("plan s.yaml", 120), testing::ContainsRegex("In all [0-9]+ rows: .*backend openmp"));
    EXPECT_EQ(json_of("show campaigns")[0].size(), rows("select * from v_campaign")[0].size());
}

TEST_F(WidthTest, Inspections) {
    auto const source = "inspect 'synthetic: {layers: 2, heads: 4, kv_heads: 4, head_dim: 64}' --context 64";
    expect_to_fit(source);
    EXPECT_THAT(printed(source, 120), HasSubstr("rms by head"));
    EXPECT_TRUE(json_of(source).contains("k"));
}

TEST_F(WidthTest, SizesAndTheMachine) {
    expect_to_fit("size gemma-3-27b --codec nf4 --context 32k --batch 4 --budget '64 GiB' --tensor-parallel 2");
    expect_to_fit("size --study d6");
    expect_to_fit("doctor");
}

/// Every example of a verb that only reads, run where its files exist.
TEST_F(WidthTest, ExamplesRun) {
    write("mine.yaml", small_scenario("raw, int8"));
    write("night.yaml",
          "kvstone: 1\nname: quickstart\n"
          "sources: [{synthetic: {layers: 1, heads: 2, kv_heads: 1, head_dim: 64}}]\n"
          "grid: {context: [64], codec: [raw]}\nworkloads: [roundtrip]\nmeasure: {timing: off}\n");
    ASSERT_EQ(kvstone("run mine.yaml").code, 0);
    ASSERT_EQ(kvstone("run night.yaml").code, 0);
    ASSERT_EQ(shell("cp kvstone.db last-night.db && cp kvstone.db theirs.db").code, 0);
    ASSERT_EQ(kvstone("run night.yaml --fresh").code, 0);
    ASSERT_EQ(
        kvstone("dump 'synthetic: {layers: 2, heads: 4, kv_heads: 2, head_dim: 64}' --context 64 -o cache.safetensors")
            .code,
        0);
    for (std::string const verb : {"plan", "list", "show", "query", "compare", "report", "export", "doctor", "prune",
                                   "db", "bundle", "choose"}) {
        for (auto const& line : lines_of(printed(verb + " --help", 120))) {
            if (!line.starts_with("  kvstone " + verb) && !line.starts_with("  kvstone run mine.zip")) continue;
            if (line.find("model.gguf") != std::string::npos) continue;
            auto const ended = shell(line);
            EXPECT_NE(ended.code, 2) << line << "\n" << ended.err;
        }
    }
}

}  // namespace
}  // namespace kvstone
