// `kvstone check-codec` on libraries that keep the rules and on some that break one each, and runs with such libraries.

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class CheckCodecTest : public ProgramTest {
  protected:
    static std::string library(std::string const& name) { return programs_folder() + "/codecs/" + name + ".so"; }
    Ended check(std::string const& arguments) const { return shell("kvstone check-codec " + arguments); }
    /// The checks that failed.
    std::vector<std::string> failures(std::string const& mode) const {
        auto const ended = check("--json " + library("broken") + " --options mode=" + mode);
        std::vector<std::string> names;
        auto const told = json::parse(ended.out);
        for (auto const& one : told.at("checks"))
            if (one.at("result") == "FAIL") names.push_back(one.at("check"));
        EXPECT_EQ(ended.code, names.empty() ? 0 : 1) << ended.out;
        return names;
    }
};

TEST_F(CheckCodecTest, TemplatesPass) {
    for (auto const* arguments :
         {"uniform.so --options bits=2", "uniform.so --options bits=8", "halves.so", "int4.so"}) {
        auto const ended = check(programs_folder() + "/codecs/" + arguments);
        EXPECT_EQ(ended.code, 0) << ended.out << ended.err;
        EXPECT_THAT(ended.out, Not(HasSubstr("FAIL")));
        EXPECT_THAT(ended.out, HasSubstr("decoding depends on the bytes alone"));
    }
}

TEST_F(CheckCodecTest, EachBrokenRuleFailsItsCheck) {
    EXPECT_THAT(failures("exact"), testing::IsEmpty());
    EXPECT_THAT(failures("kept"), testing::ElementsAre("error is smaller than the values"));
    EXPECT_THAT(failures("clock"), testing::ElementsAre("the same values give the same bytes"));
    EXPECT_THAT(failures("remembers"), testing::ElementsAre("decoding depends on the bytes alone"));
    EXPECT_THAT(failures("trusting"), testing::Contains("altered bytes"));
    EXPECT_THAT(failures("beyond_normal"), testing::ElementsAre("finite values stay finite"));
    EXPECT_THAT(failures("unwritten"), testing::Contains("values come back"));
    EXPECT_THAT(failures("trusts_length"), testing::ElementsAre("shortened bytes"));
    EXPECT_THAT(failures("threads"), testing::ElementsAre("bytes do not depend on threads"));
}

/// A command that ends where it cannot go on, at values that binary16 lacks and at bytes that are too few.
TEST_F(CheckCodecTest, CommandsAreAskedTheSame) {
    if (shell("command -v python3").code != 0) GTEST_SKIP() << "there is no python3";
    auto const command = "-- python3 " + source_folder() + "/tests/harness/external/codec.py ";
    auto const half = check(command + "half");
    EXPECT_EQ(half.code, 1) << half.out;
    EXPECT_THAT(half.out, HasSubstr("pass  the same values give the same bytes"));
    EXPECT_THAT(half.out, HasSubstr("FAIL  finite values stay finite"));
    EXPECT_THAT(half.out, HasSubstr("(exit code 1) after the first 0 bytes of its answer: OverflowError"));
    EXPECT_THAT(half.out, HasSubstr("FAIL  shortened bytes"));
    EXPECT_THAT(check(command + "cheat").out, HasSubstr("FAIL  error is smaller than the values"));
    EXPECT_EQ(check("--options bits=4 " + command + "half").code, 2);
}

TEST_F(CheckCodecTest, TheLinesOfTheReadmeKeepTheRules) {
    if (shell("python3 -c 'import numpy'").code != 0) GTEST_SKIP() << "python3 has no numpy";
    auto const lines = shell("sed -n '/^```python/,/^```$/p' '" + source_folder() + "/README.md' | grep -v '^```'").out;
    EXPECT_THAT(lines, HasSubstr("kvstone_codec.serve(encode, decode)"));
    write("mine.py", lines);
    auto const ended = check("-- python3 mine.py");
    EXPECT_EQ(ended.code, 0) << ended.out << ended.err;
}

TEST_F(CheckCodecTest, NotStartingIsBadInput) {
    for (auto const& arguments : {library("nothing"), library("broken_abi"), library("uniform") + " --options bits=9",
                                  library("uniform") + " --options bits", std::string("-- ./no-such-program")})
        EXPECT_EQ(check(arguments).code, 2) << arguments;
    EXPECT_THAT(check(library("broken_abi")).out, HasSubstr("is made for version 2"));
    EXPECT_THAT(check(library("uniform") + " --options bits=9").out, HasSubstr("create: bits is a number from 2 to 8"));
}

TEST_F(CheckCodecTest, ForgottenWordsAreTold) {
    write("mine.py", "print()\n");
    write("mine", "#!/bin/sh\n");
    auto const hint = [&](std::string const& arguments) {
        auto const ended = check(arguments);
        EXPECT_EQ(ended.code, 2) << arguments;
        return ended.err;
    };
    EXPECT_THAT(hint("mine.py"), HasSubstr("'mine.py'; accepted: kvstone check-codec -- python3 mine.py"));
    EXPECT_THAT(hint("-- mine.py --bits 3"), HasSubstr("kvstone check-codec -- python3 mine.py"));
    EXPECT_THAT(hint("./mine"), HasSubstr("kvstone check-codec -- INTERPRETER ./mine"));
    ASSERT_EQ(shell("chmod +x mine").code, 0);
    EXPECT_THAT(hint("mine"), HasSubstr("kvstone check-codec -- ./mine"));
    EXPECT_THAT(hint("nosuch.so"), HasSubstr("none ships with KVstone in"));
    EXPECT_EQ(check("int4.so").code, 0) << "a name alone is that of a library that ships, as in scenarios";
}

/// A row for each: what broke, and how.
TEST_F(CheckCodecTest, RunsSayHowLibrariesFail) {
    std::string codecs, grid;
    for (auto const* mode : {"exact", "kept", "crash_encode", "crash_decode", "beyond", "unwritten", "dim"}) {
        codecs += std::string("  ") + mode + ": {library: " + library("broken") + ", options: {mode: " + mode + "}}\n";
        grid += (grid.empty() ? "" : ", ") + std::string(mode);
    }
    write("s.yaml",
          "kvstone: 1\nname: s\nsources: [{synthetic: {layers: 1, kv_heads: 2, head_dim: 32, seed: 1}}]\ncodecs:\n" +
              codecs + "grid: {context: [16], codec: [" + grid +
              "]}\nworkloads: [roundtrip]\n"
              "measure: {timing: off, repetitions: 1}\n");
    auto const ended = shell("kvstone run s.yaml --db s.db");
    EXPECT_EQ(ended.code, 4) << ended.err;
    auto const rows =
        shell("kvstone query --db s.db --format csv \"SELECT DISTINCT codec_name, status, reason FROM v_latest\"").out;
    EXPECT_THAT(rows, HasSubstr("crash_encode,crash,crash_encode: encode: its process ended (SIGSEGV)"));
    EXPECT_THAT(rows, HasSubstr("crash_decode,crash,crash_decode: decode: its process ended (SIGABRT)"));
    EXPECT_THAT(rows, HasSubstr("beyond,error,beyond: encode() wrote 1 bytes behind its"));
    EXPECT_THAT(rows, HasSubstr("unwritten,error,unwritten: decode() left 1 of"));
    EXPECT_THAT(rows, HasSubstr("dim,skipped,"));
    EXPECT_THAT(rows, HasSubstr("exact,ok"));
    EXPECT_THAT(rows, HasSubstr("kept,verify_failed,"));
    auto const error =
        shell(
            "kvstone query --db s.db --format csv \"SELECT max(value) FROM v_latest WHERE codec_name = 'exact' "
            "AND metric = 'max_abs_error'\"")
            .out;
    EXPECT_EQ(error.substr(error.find('\n') + 1), "0\n") << error;
}

TEST_F(CheckCodecTest, AHangEndsAtTheTimeLimit) {
    write("s.yaml",
          "kvstone: 1\nname: s\nsources: [{synthetic: {layers: 1, kv_heads: 2, head_dim: 32, seed: 1}}]\ncodecs: "
          "{hang: {library: " +
              library("broken") +
              ", options: {mode: hang_decode}}}\n"
              "grid: {context: [16], codec: [hang]}\nworkloads: [roundtrip]\n"
              "measure: {timing: off, repetitions: 1, timeout: 3 s}\n");
    EXPECT_EQ(shell("kvstone run s.yaml --db s.db").code, 4);
    EXPECT_THAT(shell("kvstone query --db s.db --format csv \"SELECT DISTINCT codec_name, status FROM v_latest\"").out,
                HasSubstr("hang,timeout"));
}

/// The library keeps the tensor in its memory and stores one byte: no workload takes it for a good codec.
TEST_F(CheckCodecTest, ATensorKeptInMemoryIsFoundOutInEveryWorkload) {
    write("s.yaml",
          "kvstone: 1\nname: s\nsources: [model: {gguf: tiny, text: builtin}]\ncodecs:\n"
          "  exact: {library: " +
              library("broken") +
              "}\n"
              "  kept: {library: " +
              library("broken") +
              ", options: {mode: kept}}\n"
              "grid: {context: [64], codec: [exact, kept]}\n"
              "workloads: [roundtrip, attention, entropy, model: {protocol: context}]\n"
              "measure: {timing: off, repetitions: 1}\n");
    auto const ended = shell("kvstone run s.yaml --db s.db");
    EXPECT_EQ(ended.code, 4) << ended.err;
    auto const rows =
        shell(
            "kvstone query --db s.db --format csv \"SELECT codec_name, status, count(DISTINCT cell) AS cells, "
            "count(value) > 0 AS any FROM v_latest GROUP BY 1, 2 ORDER BY 1, 2\"")
            .out;
    EXPECT_EQ(rows, "codec_name,status,cells,any\nexact,ok,4,1\nkept,verify_failed,4,0\n");
}

}  // namespace
}  // namespace kvstone
