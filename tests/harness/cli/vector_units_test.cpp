// One program on every kind of vector unit that this processor has: the same figures, and rows that say which it was.

#include <set>

#include <gmock/gmock.h>

#include "backends/kernels/simd_target.hpp"
#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class VectorUnitsTest : public ProgramTest {
  protected:
    Ended limited(std::string const& units, std::string const& arguments) const {
        return shell("KVSTONE_SIMD=" + units + " kvstone " + arguments);
    }
    /// A finding of `doctor --json`.
    json finding(json const& told, std::string const& subject) const {
        for (auto const& one : told.at("findings"))
            if (one.at("subject") == subject) return one;
        ADD_FAILURE() << "no finding " << subject;
        return {{"text", ""}, {"good", false}};
    }
    std::string answer(std::string const& database, std::string const& sql) const {
        auto const ended = kvstone("query --format csv --db " + database + " \"" + sql + "\"");
        EXPECT_EQ(ended.code, 0) << ended.err;
        return ended.out;
    }
};

TEST_F(VectorUnitsTest, DoctorTellsWhichAreUsedOfWhichThereAre) {
    auto const all = simd_targets();
    std::string names;
    for (auto const& name : all) names += (names.empty() ? "" : ", ") + name;
    std::set<std::string> classes;
    for (auto const& name : all) {
        auto const ended = limited(name, "doctor --json");
        ASSERT_EQ(ended.code, 0) << ended.err;
        auto const told = json::parse(ended.out);
        auto const units = finding(told, "vector units");
        EXPECT_EQ(units["text"], name + " chosen of " + names + "; KVSTONE_SIMD=" + name + " allows nothing better");
        EXPECT_EQ(units["good"].get<bool>(), name == all.front());
        EXPECT_EQ(told["host"]["vector_units"], name);
        EXPECT_THAT(finding(told, "hardware class")["text"].get<std::string>(), HasSubstr(" " + name));
        EXPECT_THAT(finding(told, "attempts")["text"].get<std::string>(), HasSubstr("on vector units " + name));
        classes.insert(told["host"]["hardware_class"].get<std::string>());
    }
    EXPECT_EQ(classes.size(), all.size()) << "timings of different vector units do not compare";
    auto const best = json::parse(kvstone("doctor --json").out);
    EXPECT_EQ(finding(best, "vector units")["text"], all.front() + " chosen of " + names);
}

TEST_F(VectorUnitsTest, FiguresAreTheSameAndTheRowsSayWhichItWas) {
    write("s.yaml", small_scenario("raw, int8, 'int:bits=4,axis=channel,group=32', nf4, 'hadamard | lloydmax:bits=4'",
                                   "min_time: 1 ms, repetitions: 1"));
    std::string figures;
    for (auto const& name : simd_targets()) {
        auto const database = name + ".db";
        auto const ended = limited(name, "run s.yaml --db " + database);
        ASSERT_EQ(ended.code, 0) << ended.err;
        EXPECT_THAT(ended.out, HasSubstr("GiB " + name)) << "the class of hardware, for people";
        EXPECT_EQ(answer(database, "select distinct vector_units from v_latest"), "vector_units\n" + name + "\n");
        auto const found = answer(database,
                                  "select l.cell, l.component, l.metric, l.value from v_latest l join metric m on "
                                  "m.name = l.metric where m.deterministic = 1 order by 1, 2, 3");
        EXPECT_GT(std::ranges::count(found, '\n'), 10 * 30);
        if (figures.empty()) figures = found;
        EXPECT_EQ(found, figures) << name;
    }
    auto const all = simd_targets();
    if (all.size() < 2) GTEST_SKIP() << "this processor has one kind of vector unit";
    auto const compared = kvstone("compare " + all[0] + ".db " + all[1] + ".db");
    EXPECT_THAT(compared.out + compared.err, HasSubstr("hardware differs"));
}

TEST_F(VectorUnitsTest, ANameThatIsNoneEndsEveryProgram) {
    for (std::string const program : {"kvstone --version", "kvstone doctor", "kvstone-attempt --abilities"}) {
        auto const refused = shell("KVSTONE_SIMD=nonsense " + program);
        EXPECT_EQ(refused.code, 2) << program;
        EXPECT_THAT(refused.err,
                    HasSubstr("KVSTONE_SIMD: no vector unit \"nonsense\": this program and processor have"));
        for (auto const& name : simd_targets()) EXPECT_THAT(refused.err, HasSubstr(name));
        EXPECT_EQ(refused.out, "");
    }
    EXPECT_EQ(shell("KVSTONE_SIMD= kvstone --version").code, 0) << "an empty one limits nothing";
}

/// Rank 1 makes its attempts with a program that says it were of another architecture: cells of that backend go there, and
/// what nobody offers is skipped. The attempts themselves know better.
TEST_F(VectorUnitsTest, CellsOfOtherBackendsGoWhereTheProgramOfAttemptsHasThem) {
    write("s.yaml",
          "kvstone: 1\nname: mixed\nsources:\n  - synthetic: {layers: 1, kv_heads: 1, head_dim: 64}\n"
          "grid: {context: [64], codec: [raw, int8], backend: [openmp, arm, cuda]}\n"
          "workloads: [roundtrip]\nmeasure: {timing: off}\n");
    write("other",
          "#!/bin/sh\nif test \"$1\" = --abilities; then\n"
          "  echo '{\"backends\":[\"openmp\",\"arm\"],\"vector_units\":\"sve2\"}' >&3\n"
          "else exec kvstone-attempt \"$@\"; fi\n");
    auto const alone = shell("chmod +x other && KVSTONE_ATTEMPT=$PWD/other kvstone run s.yaml");
    EXPECT_EQ(alone.code, 0) << alone.err;
    auto const found = answer("kvstone.db",
                              "select backend, status, count(*), min(reason) from v_latest where metric is "
                              "null or (metric = 'nmse' and component = 'k') group by 1, 2 order by 1");
    EXPECT_THAT(found, HasSubstr("openmp,ok,2"));
    EXPECT_THAT(found, HasSubstr("cuda,skipped,2,\"no rank offers backend 'cuda'"));
#ifndef __aarch64__
    EXPECT_THAT(found, HasSubstr("arm,skipped,2,backend 'arm' is not on this build and machine")) << "it was dealt";
#endif
    EXPECT_THAT(alone.out, HasSubstr("GiB sve2")) << "the class of hardware that rank 0 measures on";
}

}  // namespace
}  // namespace kvstone
