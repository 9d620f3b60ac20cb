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
    EXPECT_EQ(kvstone("query 'select 1'").code, 2);  // no database
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
