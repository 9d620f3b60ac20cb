// Bad input: a clear error and exit code 2 before anything runs, or a row with the reason.

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"
#include "tests/test_data.hpp"

namespace kvstone {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class RefusalTest : public ProgramTest {
  protected:
    void expect_refused(std::string const& scenario, testing::Matcher<std::string> const& error) const {
        write("s.yaml", scenario);
        auto const ended = kvstone("run s.yaml");
        EXPECT_EQ(ended.code, 2) << scenario;
        EXPECT_THAT(ended.err, error);
        EXPECT_FALSE(std::filesystem::exists(path("kvstone.db")));
    }
    /// One cell, whose row must say the reason.
    void expect_error_row(std::string const& source, std::string const& reason, int context = 16) const {
        write("s.yaml", "kvstone: 1\nname: bad\nsources:\n  - " + source + "\ngrid: {context: [" +
                            std::to_string(context) +
                            "], codec: [fp16]}\nworkloads: [roundtrip]\nmeasure: {timing: off}\n");
        auto const ended = kvstone("run s.yaml --db bad.db");
        EXPECT_EQ(ended.code, 4) << source << ended.err;
        auto const shown = kvstone("query --db bad.db \"select status, reason from attempt order by id desc limit 1\"");
        EXPECT_THAT(shown.out, AllOf(HasSubstr("error"), HasSubstr(reason))) << source;
    }
};

TEST_F(RefusalTest, BrokenTaskFilesCreateNothing) {
    auto const with = [](std::string const& task) {
        return "kvstone: 1\nsources: [model: {gguf: tiny, text: builtin}]\ngrid: {codec: [raw]}\n"
               "workloads: [tasks: {protocol: context, " +
               task + "}]\n";
    };
    std::string const item = R"({"goal": "Walk", "sol1": "Go.", "sol2": "Stay."})";
    write("broken.jsonl", item + "\n{\"goal\": \"W");
    write("labels.lst", "0\n1\n");
    expect_refused(with("task: piqa, file: broken.jsonl, labels: labels.lst"),
                   AllOf(HasSubstr("broken.jsonl:2:"), HasSubstr("no JSON")));
    write("good.jsonl", item + "\n" + item + "\n");
    expect_refused(with("task: piqa, file: good.jsonl"),
                   AllOf(HasSubstr("good.jsonl:1:"), HasSubstr("nothing says which choice is right")));
    write("labels.lst", "0\n");
    expect_refused(with("task: piqa, file: good.jsonl, labels: labels.lst"),
                   AllOf(HasSubstr("labels.lst:"), HasSubstr("labels are not as many as items")));
    expect_refused(with("task: piqa, file: absent.jsonl"), AllOf(HasSubstr("s.yaml:4:"), HasSubstr("absent.jsonl")));
    expect_refused(with("task: piqa"), AllOf(HasSubstr("s.yaml:4:"), HasSubstr("task piqa needs a file of items")));
    expect_refused(with("task: needle, file: good.jsonl"), AllOf(HasSubstr("s.yaml:4:"), HasSubstr("is generated")));
    expect_refused(with("task: squad, file: good.jsonl"), AllOf(HasSubstr("s.yaml:4:"), HasSubstr("hellaswag")));
}

TEST_F(RefusalTest, NoOptionTakesAnEmptyValueOrNaN) {
    write("s.yaml", small_scenario("raw"));
    for (auto const& [words, option] : {std::pair{"run s.yaml --only ''", "--only"},
                                        {"plan s.yaml --simulate ''", "--simulate"},
                                        {"show --campaign ''", "--campaign"},
                                        {"report -o ''", "--output"},
                                        {"db backup ''", "file"},
                                        {"run ''", "scenario"}}) {
        auto const ended = kvstone(words);
        EXPECT_EQ(ended.code, 2) << words;
        EXPECT_THAT(ended.err, HasSubstr(std::string(option) + ": the value is empty")) << words;
    }
    for (std::string const words :
         {"query 'select 1' --time-limit nan", "run s.yaml --patience -NaN", "compare first --accuracy-margin nan",
          "choose --model tiny --context 64 --max-kld nan"}) {
        auto const ended = kvstone(words);
        EXPECT_EQ(ended.code, 2) << words;
        EXPECT_THAT(ended.err, HasSubstr("expected a number")) << words;
        EXPECT_EQ(ended.out, "") << words;
    }
    EXPECT_FALSE(std::filesystem::exists(path("kvstone.db")));
}

TEST_F(RefusalTest, CopiesOfDatabasesHaveFilesOfTheirOwn) {
    ASSERT_EQ(kvstone("db init").code, 0);
    for (std::string const name : {":memory:", "file:named?mode=memory"}) {
        auto const made = kvstone("db backup '" + name + "'");
        EXPECT_EQ(made.code, 0) << made.err;
        EXPECT_TRUE(std::filesystem::is_regular_file(path(name)));
    }
    auto const nowhere = kvstone("db backup none/copy.db");
    EXPECT_EQ(nowhere.code, 2);
    EXPECT_THAT(nowhere.err, AllOf(HasSubstr("there is no such folder"), HasSubstr("none")));
}

TEST_F(RefusalTest, ScenariosWithMistakesCreateNothing) {
    expect_refused(small_scenario("fp61"), AllOf(HasSubstr("s.yaml:5:"), HasSubstr("fp61"), HasSubstr("fp16")));
    expect_refused(small_scenario("'int8:scheme=sideways'"), AllOf(HasSubstr("sideways"), HasSubstr("asymmetric")));
    expect_refused(small_scenario("'int8:clap=0.9'"), AllOf(HasSubstr("clap"), HasSubstr("clip")));
    expect_refused(small_scenario("raw", "timing: off", "workload: [roundtrip]\n"),
                   AllOf(HasSubstr("s.yaml:8:"), HasSubstr("workload")));
    auto missing = small_scenario("raw");
    missing.replace(missing.find("synthetic: {"), 12, "dump: {path: not_there.safetensors} #");
    expect_refused(missing, AllOf(HasSubstr("s.yaml:4:"), HasSubstr("not_there.safetensors")));
    EXPECT_EQ(kvstone("run not_there.yaml").code, 2);
    EXPECT_EQ(kvstone("run").code, 2);
    EXPECT_EQ(kvstone("no_such_verb").code, 2);
    EXPECT_THAT(kvstone("compare nosuch.db").err, AllOf(HasSubstr("no such database file"), HasSubstr("'nosuch.db'")));
    write("s.yaml", small_scenario("raw, fp16"));
    EXPECT_EQ(kvstone("plan --set measure.timing=off s.yaml --json").code, 0) << "an option has one value";
    EXPECT_EQ(kvstone("plan --only raw --only roundtrip s.yaml --json").code, 0);
    EXPECT_EQ(kvstone("query 'select 1'").code, 2);  // no database
}

/// What the tiny model was trained on: 4096 tokens.
TEST_F(RefusalTest, AContextThatNoModelTakesIsRefusedBeforeAnythingRuns) {
    if (!this_build().has_llama) GTEST_SKIP() << "built without libllama";
    auto const scenario = [](std::string const& workload, std::string const& contexts) {
        return "kvstone: 1\nsources: [model: {gguf: tiny, text: builtin}]\ngrid:\n  codec: [raw]\n  context: [" +
               contexts + "]\nworkloads: [" + workload + "]\nmeasure: {timing: off}\n";
    };
    expect_refused(scenario("roundtrip", "512, 32k"),
                   AllOf(HasSubstr("s.yaml:5:18: grid.context.1: "), HasSubstr("trained on contexts of 4096 tokens"),
                         HasSubstr("'32k'; accepted: up to 4096 tokens")));
    expect_refused(scenario("model: {protocol: context}", "4k"),
                   AllOf(HasSubstr("workload model reads on behind its context"), HasSubstr("up to 2048 tokens")));
    expect_refused(scenario("model: {protocol: context, continuation: 96}", "4001"), HasSubstr("up to 4000 tokens"));
    write("s.yaml", scenario("model: {protocol: context, continuation: 96}", "4000"));
    EXPECT_EQ(kvstone("plan s.yaml").code, 0);
    write("s.yaml", scenario("roundtrip", "4096"));
    EXPECT_EQ(kvstone("plan s.yaml").code, 0);
    auto const set = kvstone("plan s.yaml --set 'grid.context=[8k]'");
    EXPECT_EQ(set.code, 2);
    EXPECT_THAT(set.err, AllOf(HasSubstr("--set grid.context"), HasSubstr("'8k'; accepted: up to 4096 tokens")));
}

TEST_F(RefusalTest, AContextThatOneSourceTakesIsSkippedForTheOthers) {
    if (!this_build().has_llama) GTEST_SKIP() << "built without libllama";
    write("s.yaml",
          "kvstone: 1\nsources:\n  - model: {gguf: tiny, text: builtin}\n  - synthetic: {layers: 1, heads: 1, "
          "kv_heads: 1, head_dim: 16}\ngrid: {context: [64, 5000], codec: [raw]}\nworkloads: [roundtrip]\n"
          "measure: {timing: off}\n");
    auto const planned = kvstone("plan s.yaml");
    EXPECT_EQ(planned.code, 0) << planned.err;
    EXPECT_THAT(planned.out,
                AllOf(HasSubstr("skipped: raw roundtrip: 5000 of context: "), HasSubstr("tiny.gguf: the model "),
                      HasSubstr("accepted: up to 4096 tokens"), HasSubstr("1 cells skipped")));
    EXPECT_EQ(kvstone("run s.yaml").code, 0);
    auto const skipped = rows("select source, context, reason from v_latest where status <> 'ok'");
    ASSERT_EQ(skipped.size(), 1U);
    EXPECT_EQ(skipped[0]["context"], 5000);
    EXPECT_THAT(skipped[0]["reason"].get<std::string>(), HasSubstr("trained on contexts of 4096 tokens"));
    EXPECT_EQ(rows("select distinct cell from v_latest where status = 'ok'").size(), 3U);
}

TEST_F(RefusalTest, FilesWithBadContentBecomeRows) {
    write("empty.safetensors", "");
    expect_error_row("dump: {path: empty.safetensors}", "empty.safetensors");
    std::string header(8, '\0');
    header[3] = 1;  // 16 MiB of header in a file of eight bytes
    write("header.safetensors", header);
    expect_error_row("dump: {path: header.safetensors}", "header.safetensors");
    write("model.gguf", "this is no GGUF");
    write("text.txt", "A text that is short.");
    expect_error_row("model: {gguf: model.gguf, text: text.txt}", "GGUF");
    expect_error_row("model: {gguf: tiny, text: text.txt}", "tokens", 4096);
}

TEST_F(RefusalTest, DatabasesOfOtherKindsAreLeftAlone) {
    write("s.yaml", small_scenario("raw"));
    write("text.db", "not a database, but long enough to be looked at by SQLite as if it were one\n");
    EXPECT_EQ(kvstone("run s.yaml --db text.db").code, 2);
    EXPECT_THAT(read(path("text.db")), HasSubstr("not a database"));
    EXPECT_EQ(kvstone("run s.yaml --db no/such/folder.db").code, 2);
}

TEST_F(RefusalTest, QueriesCannotWrite) {
    write("s.yaml", small_scenario("raw"));
    ASSERT_EQ(kvstone("run s.yaml").code, 0);
    auto const before = read(path("kvstone.db"));
    for (auto const* sql :
         {"delete from attempt", "attach 'x.db' as x", "vacuum into 'x.db'", "pragma user_version = 9"}) {
        auto const ended = kvstone(std::string("query \"") + sql + "\"");
        EXPECT_EQ(ended.code, 2) << sql;
        EXPECT_EQ(ended.out, "");
    }
    EXPECT_FALSE(std::filesystem::exists(path("x.db")));
    EXPECT_EQ(read(path("kvstone.db")), before);
}

}  // namespace
}  // namespace kvstone
