// The gate as a pull request meets it: the shipped policy, programs in place of two builds, and its exit codes.

#include <algorithm>

#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using nlohmann::json;
using testing::HasSubstr;

/// The measurements of a program in place of a build; its noise is the same in every run of the test.
struct Fake {
    double decode_ns = 1e6;
    double noise = 0.01;  ///< of a process: half the width of its distribution
    double ratio = 4;
    double error = 0.01;
    bool crashes = false;
    int crashes_at = 0;        ///< which of its runs does, counted from 1; 0: none
    std::string unknown = {};  ///< a setting that it refuses
    bool old = false;          ///< does not know how to take times alone
};

class GateTest : public ProgramTest {
  protected:
    void program(std::string const& name, Fake const& fake) const {
        auto const number = [](auto value) { return std::to_string(value); };
        write(name,
              "#!/bin/sh\n[ \"$1\" = doctor ] && exec echo '{\"findings\":[{\"subject\":\"build\",'"
              "'\"text\":\"0.1.0 f00d (Release, GNU 16)\"}]}'\n" +
                  std::string(fake.crashes ? "kill -SEGV $$\n" : "") +
                  (fake.unknown.empty() ? ""
                                        : "case \"$*\" in *" + fake.unknown + "*) echo \"kvstone: --set " +
                                              fake.unknown + ": unknown key\" >&2; exit 2; esac\n") +
                  std::string(fake.old ? "case \"$*\" in *timing=only*) exit 2; esac\n" : "") +
                  "cd \"${0%/*}\"; n=$(cat count 2>/dev/null || echo 0); echo $((n + 1)) >count\n" +
                  (fake.crashes_at == 0 ? ""
                                        : "m=$(cat " + name + ".runs); echo $((m + 1)) >" + name + ".runs; [ $m -eq " +
                                              number(fake.crashes_at - 1) + " ] && kill -SEGV $$\n") +
                  "exec awk -v n=$n -v cell=\"$2\" -v decode=" + number(fake.decode_ns) + " -v noise=" +
                  number(fake.noise) + " -v ratio=" + number(fake.ratio) + " -v error=" + number(fake.error) +
                  R"awk( '
function figure(name, value) {
    return sprintf("{\"component\":\"kv\",\"metric\":\"%s\",\"value\":%.6f,\"n\":5,\"ci_low\":null,\"ci_high\":null},", name, value)
}
function noisy(value, list, i, level) {
    level = value * (1 + noise * (2 * rand() - 1))
    for (i = 0; i < 5; ++i) list = list (i ? "," : "") sprintf("%.3f", level * (1 + noise / 4 * (2 * rand() - 1)))
    return list
}
BEGIN {
    srand(n + 1); rand()
    printf "{\"attempt_id\":\"0\",\"cell_id\":\"%s\",\"process\":0,\"status\":\"ok\",\"reason\":\"\",\"signal\":0,", cell
    printf "\"stderr_tail\":\"\",\"started_utc\":\"\",\"finished_utc\":\"\",\"wall_ns\":1,\"harness_ns\":0,"
    printf "\"roofline_gb_per_s\":null,\"device\":\"\",\"threads\":1,\"protocol\":\"\",\"engine\":\"\",\"task\":\"\","
    printf "\"host\":{},\"profiles\":[],\"samples\":["
    printf "{\"component\":\"kv\",\"metric\":\"encode_ns\",\"values\":[%s]},", noisy(1e6)
    printf "{\"component\":\"kv\",\"metric\":\"decode_ns\",\"values\":[%s]}],\"figures\":[", noisy(decode)
    printf "%s%s%s%s", figure("ratio_vs_fp32", ratio), figure("relative_error_l1", error), figure("encode_gb_per_s", 2), figure("stored_bytes", 1000)
    printf "%s%s%s", figure("nominal_bits_per_value", 8), figure("encode_ns", 1e6), figure("decode_ns", decode)
    last = figure("bits_per_value", 8); sub(",$", "", last)
    print last "]}"
}'
)awk");
        std::filesystem::permissions(path(name), std::filesystem::perms::owner_all);
    }

    /// The shipped policy over two cells of its scenario.
    Ended gate(Fake const& base, Fake const& head, std::string const& more = "") const {
        program("base", base);
        program("head", head);
        for (auto const* counter : {"count", "base.runs", "head.runs"}) write(counter, "0");
        return kvstone("gate ci --run --base ./base --head ./head --only asymmetric --only synthetic --seed 7 " + more);
    }
};

TEST_F(GateTest, TheShippedPolicyPassesFailsAndSaysWhenItCannotTell) {
    auto const pass = gate({}, {}, "--json --markdown summary.md --junit junit.xml");
    ASSERT_EQ(pass.code, 0) << pass.out << pass.err;
    auto const answer = json::parse(pass.out);
    EXPECT_EQ(answer["tests"], 4);
    for (auto const& finding : answer["decisions"]) EXPECT_EQ(finding["judgement"], "pass") << finding;
    EXPECT_EQ(rows("select head ->> 'git_sha' as commit_sha from gate_run")[0]["commit_sha"], "f00d");
    EXPECT_THAT(pass.err, HasSubstr("would be found in 90% of repetitions"));
    EXPECT_THAT(read(path("summary.md")), HasSubstr("## ci: pass"));
    EXPECT_THAT(read(path("junit.xml")), HasSubstr("failures=\"0\" errors=\"0\""));

    auto const regression = gate({}, {.decode_ns = 1.1e6}, "--github --junit junit.xml");
    EXPECT_EQ(regression.code, 1) << regression.out << regression.err;
    EXPECT_THAT(regression.out, HasSubstr("in 16 fresh blocks of as many launches"));
    EXPECT_THAT(regression.out, HasSubstr("::error file="));
    EXPECT_THAT(read(path("junit.xml")), HasSubstr("<failure type=\"regression\""));

    auto const inconclusive = gate({.noise = 0.3}, {.noise = 0.3});
    EXPECT_EQ(inconclusive.code, 3) << inconclusive.out << inconclusive.err;
    EXPECT_THAT(inconclusive.out, HasSubstr("5.0% is asked for"));
    EXPECT_EQ(gate({.noise = 0.3}, {.noise = 0.3}, "--inconclusive warn").code, 0);
}

TEST_F(GateTest, StoredVerdictsAreReplayedToTheSameP) {
    ASSERT_EQ(gate({}, {.decode_ns = 1.1e6}).code, 1);
    auto const finding = rows(
        "select g.uid || '.' || d.number as name, d.cell from decision d join gate_run g on g.id = "
        "d.gate_run where d.judgement = 'regression' limit 1")[0];
    auto const told = kvstone("explain " + finding["name"].get<std::string>());
    EXPECT_EQ(told.code, 0) << told.out << told.err;
    EXPECT_THAT(told.out, HasSubstr("the same verdict, with the same p-values"));
    EXPECT_THAT(told.out, HasSubstr("exact signed-rank test against 2%: p 0.00390625, suspected at level 0.05"));
    EXPECT_THAT(told.out, HasSubstr("confirmed at level 0.05"));
    EXPECT_EQ(kvstone("explain " + finding["cell"].get<std::string>().substr(0, 12)).code, 0);
    EXPECT_EQ(kvstone("explain zz").code, 2);
    // Raw samples that someone has touched decide otherwise, and it says so.
    std::string const touch =
        "update gate_attempt set measurement = json_set(measurement, '$.samples', json('[]')) where side = 'B' and "
        "stage = "
        "'confirm'";
    if (shell("command -v sqlite3").code == 0) {
        ASSERT_EQ(shell("sqlite3 kvstone.db \"" + touch + "\"").code, 0);
        auto const altered = kvstone("explain " + finding["name"].get<std::string>());
        EXPECT_EQ(altered.code, 4) << altered.out;
        EXPECT_THAT(altered.out, HasSubstr("NOT the stored verdict"));
    }
}

TEST_F(GateTest, CrashesBrokenBoundsAndBoughtSpeedEachEndInTheirWay) {
    auto const crash = gate({}, {.crashes = true}, "--junit junit.xml");
    EXPECT_EQ(crash.code, 4) << crash.out << crash.err;
    EXPECT_THAT(read(path("junit.xml")), HasSubstr("<error type=\"failed\""));
    EXPECT_EQ(gate({.ratio = 1.2}, {.ratio = 1.2}).code, 1);
    auto const bought = gate({}, {.decode_ns = 0.8e6, .error = 0.012});
    EXPECT_EQ(bought.code, 1);
    EXPECT_THAT(bought.out, HasSubstr("bought with relative_error_l1 20% worse"));
}

TEST_F(GateTest, ACrashOfTheBaseHidesNothing) {
    for (int const run : {1, 2, 20}) {  // in a probe, a pilot and a block
        auto const slow = gate({.crashes_at = run}, {.decode_ns = 2e6});
        EXPECT_EQ(slow.code, 1) << "run " << run << "\n" << slow.out << slow.err;
    }
    auto const healthy = gate({.crashes_at = 20}, {.crashes_at = 9});
    EXPECT_EQ(healthy.code, 0) << healthy.out << healthy.err;
    EXPECT_THAT(healthy.out, HasSubstr("1 attempts of the base failed at cells where others were ok"));
    EXPECT_THAT(healthy.out, HasSubstr("1 attempts of the head failed at cells where others were ok"));
    auto const always = gate({.crashes = true}, {.decode_ns = 2e6}, "--json");
    EXPECT_EQ(always.code, 4);
    auto const findings = json::parse(always.out)["decisions"];
    EXPECT_EQ(std::ranges::count_if(findings, [](auto const& d) { return d["rule"] == "decodes as fast"; }), 2);
    for (auto const& d : findings) EXPECT_TRUE(d["rule"] != "decodes as fast" || d["judgement"] == "failed") << d;
    EXPECT_EQ(gate({.crashes = true}, {.crashes = true}).code, 4);
    EXPECT_EQ(kvstone("explain " + json::parse(always.out)["gate"].get<std::string>() + ".1").code, 0);
}

TEST_F(GateTest, ASettingThatABuildDoesNotKnowIsToldWithItsSide) {
    auto const judged = gate({.unknown = "measure.novel"}, {}, "--set measure.min_time=1ms");
    EXPECT_EQ(judged.code, 0) << judged.err;
    program("base", {.unknown = "measure.min_time"});
    auto const refused =
        kvstone("gate ci --run --base ./base --head ./head --only asymmetric --only synthetic --seed 7");
    EXPECT_EQ(refused.code, 5) << refused.out << refused.err;
    EXPECT_THAT(refused.err, HasSubstr("the base leaves out 2 of 2 cells"));
    EXPECT_THAT(refused.out, HasSubstr("--set measure.min_time: unknown key"));
    EXPECT_THAT(refused.out, HasSubstr("the base is not ok at 2 of 2 cells"));
}

TEST_F(GateTest, NothingIsComparedWithItself) {
    write("p.yaml", "gate: 1\nscenario: s.yaml\nrules: [relative_error_l1 no worse than 0.1%]\n");
    write("s.yaml", small_scenario("int8"));
    auto const alone = kvstone("gate p.yaml --run");
    EXPECT_EQ(alone.code, 2);
    EXPECT_THAT(alone.err, HasSubstr("--base PROGRAM"));
    ASSERT_EQ(kvstone("run s.yaml").code, 0);
    for (auto const* command : {"gate p.yaml --base latest", "compare latest", "compare small latest"}) {
        auto const same = kvstone(command);
        EXPECT_EQ(same.code, 2) << command << same.out;
        EXPECT_THAT(same.err, HasSubstr("same campaign")) << command;
    }
    EXPECT_THAT(kvstone("compare small").err, HasSubstr("one campaign only"));
    ASSERT_EQ(kvstone("run s.yaml --fresh").code, 0);
    auto other = small_scenario("fp16");
    write("t.yaml", other.replace(other.find("small"), 5, "other"));
    ASSERT_EQ(kvstone("run t.yaml").code, 0);
    auto const two = kvstone("compare small --json");
    ASSERT_EQ(two.code, 0) << two.out << two.err;
    EXPECT_EQ(json::parse(two.out)["head"]["scenario"], "small");
    EXPECT_NE(json::parse(two.out)["head"]["campaign"], json::parse(two.out)["base"]["campaign"]);
    EXPECT_EQ(kvstone("gate p.yaml --base small").code, 0);
}

TEST_F(GateTest, TheBudgetLeavesWhatDoesNotFitUntimed) {
    auto const none = gate({}, {}, "--budget '100 ms'");
    EXPECT_EQ(none.code, 5) << "what was not timed was not compared";
    EXPECT_THAT(none.out, HasSubstr("the budget had no room for this cell"));
    EXPECT_THAT(none.err, HasSubstr("2 are left untimed"));
    EXPECT_EQ(gate({}, {}, "--budget 3q").code, 2);
}

TEST_F(GateTest, TheBudgetBuysBlocksWhereSomethingCannotBeSeenYet) {
    auto const blocks = [&] {
        return rows("select count(distinct block) as n from gate_attempt where stage = 'screen' group by gate_run")
            .back()["n"]
            .get<int>();
    };
    EXPECT_EQ(gate({}, {}, "--budget 60s").code, 0);
    EXPECT_EQ(blocks(), 8) << "8 blocks of quiet programs show enough";
    EXPECT_EQ(gate({.noise = 0.3}, {.noise = 0.3}, "--budget 60s").code, 3);
    EXPECT_EQ(blocks(), 32);
    EXPECT_EQ(kvstone("explain " + rows("select uid from gate_run")[1]["uid"].get<std::string>() + ".1").code, 0)
        << "replayed with as many blocks";
    EXPECT_EQ(gate({.noise = 0.3}, {.noise = 0.3}, "--blocks 10").code, 3);
    EXPECT_EQ(blocks(), 10);
    // ABBA and BAAB in turns.
    auto const first = rows(
        "select count(*) as n, sum(side = 'A') as a from gate_attempt where stage = 'screen' and position = 0 and "
        "gate_run "
        "= (select max(id) from gate_run)")[0];
    EXPECT_EQ(first["n"], 2 * first["a"].get<int>());
}

TEST_F(GateTest, BlocksOfOlderBuildsAreWholeAttempts) {
    auto const judged = gate({.old = true}, {});
    EXPECT_EQ(judged.code, 0) << judged.out << judged.err;
    EXPECT_THAT(judged.err, HasSubstr("a build cannot take times alone"));
}

using MpiGateTest = MpiTest<GateTest>;

TEST_F(MpiGateTest, RanksMeasureForRankZero) {
    program("base", {});
    program("head", {.decode_ns = 1.1e6});
    write("count", "0");
    auto const judged =
        shell("timeout 100 " + mpirun(3) +
              "kvstone gate ci --run --base ./base --head ./head --only asymmetric --only synthetic --seed 7 --json");
    EXPECT_EQ(judged.code, 1) << judged.out << judged.err;
    // Two ranks of one node: never both at once, so that the programs' count of their runs is whole.
    EXPECT_EQ(rows("select settings ->> 'nodes' as nodes from gate_run")[0]["nodes"], 1);
    auto const attempts = rows("select count(*) as n, sum(status = 'ok') as ok from gate_attempt")[0];
    EXPECT_EQ(attempts["n"], 2 * (2 + 2 + 4 * 8 + 4 * 16)) << "probes, counts of work, and both stages";
    EXPECT_EQ(attempts["n"], attempts["ok"]);
    EXPECT_EQ(std::stoi(read(path("count"))), attempts["n"].get<int>() + 3) << "and a pilot of each cell";
}

TEST_F(GateTest, CalibrationIsStoredAndWarns) {
    program("base", {.noise = 0.3});
    auto const calibrated = kvstone(
        "gate ci --calibrate --base ./base --head ./base --only asymmetric --only synthetic --blocks 12 --json");
    ASSERT_EQ(calibrated.code, 0) << calibrated.err;
    auto const seen = json::parse(calibrated.out);
    EXPECT_EQ(seen["campaigns"], 300);
    EXPECT_GT(seen["detectable_median"], 0.05);
    EXPECT_THAT(gate({}, {}).out, HasSubstr("asks for smaller changes than the calibration of"));
    auto const uid = rows("select uid from gate_run where kind = 'calibration'")[0]["uid"].get<std::string>();
    auto const again = kvstone("explain " + uid.substr(0, 8));
    EXPECT_EQ(again.code, 0) << again.out;
    EXPECT_THAT(again.out, HasSubstr("drawn again from the stored samples: the same"));
    auto const more = json::parse(kvstone("explain " + uid + " --campaigns 1000 --blocks 32 --json").out);
    EXPECT_EQ(more["campaigns"], 1000);
    EXPECT_LT(more["detectable_median"], seen["detectable_median"]);
}

TEST_F(GateTest, CellsThatAreSlowedForRealAreCountedApart) {
    program("base", {});
    program("head", {.decode_ns = 1.1e6});  // in place of waiting, as the option makes real programs do
    auto const told = kvstone(
        "gate ci --calibrate --base ./base --head ./head --only asymmetric --only synthetic --blocks 12 --json "
        "--inject-slowdown all=1.1");
    ASSERT_EQ(told.code, 0) << told.err;
    auto const slowed = json::parse(told.out)["slowed"];
    ASSERT_EQ(slowed.size(), 1U) << "nothing is left to be calculated with";
    EXPECT_TRUE(slowed[0]["injected"]);
    EXPECT_EQ(slowed[0]["trials"], 4 * 300);
    EXPECT_GE(slowed[0]["found"], 2 * 297) << "decoding is slower in either cell";
    EXPECT_LE(slowed[0]["found"], 2 * 303) << "encoding is not";
    EXPECT_FALSE(json::parse(told.out).contains("failed"));
}

TEST_F(GateTest, StoredCampaignsAreJudgedByTheirOwnFigures) {
    write("s.yaml", small_scenario("int8, q4_0"));
    ASSERT_EQ(kvstone("run s.yaml").code, 0);
    write("p.yaml",
          "gate: 1\nrules: [ratio_vs_fp32 >= 1.5, relative_error_l1 <= 0.05]\n"
          "waivers: [{rule: relative_error_l1 <= 0.05, match: {codec: q4_0}, until: 2999-01-01, reason: known}]\n");
    auto const waived = kvstone("gate p.yaml --set-baseline main");
    EXPECT_EQ(waived.code, 0) << waived.out;
    EXPECT_THAT(waived.out, HasSubstr("waived: known"));
    EXPECT_EQ(kvstone("compare main").code, 2) << "it is the latest itself";
    ASSERT_EQ(kvstone("run s.yaml --fresh").code, 0);
    EXPECT_EQ(kvstone("compare main").code, 0);
    EXPECT_EQ(rows("select decisions from waiver")[0]["decisions"], 2);
    EXPECT_THAT(shell("sed -i s/2999/1999/ p.yaml; kvstone gate p.yaml; echo code $?").out,
                testing::AllOf(HasSubstr("waiver expired"), HasSubstr("code 1")));
    write("q.yaml", "gate: 1\nrules: [kld_mean <= 0.1]\n");
    EXPECT_EQ(kvstone("gate q.yaml").code, 5) << "a rule that judges nothing is no pass";
    write("r.yaml", "gate: 1\nrules:\n  - relativ_error_l1 <= 0.05\n");
    auto const wrong = kvstone("gate r.yaml");
    EXPECT_EQ(wrong.code, 2);
    EXPECT_THAT(wrong.err, testing::AllOf(HasSubstr("r.yaml:3:"), HasSubstr("relative_error_l1")));
}

TEST_F(GateTest, TheMergeBaseIsBuiltInAWorkTreeOfItsOwn) {
    if (shell("command -v git").code != 0) GTEST_SKIP() << "no git";
    program("built", {});
    write("count", "0");
    write("s.yaml", small_scenario("int8"));
    write("p.yaml",
          "gate: 1\nscenario: s.yaml\nrules: [decode_ns no worse than 5%]\n"
          "build: {command: cp built base && test ! -e ahead, program: echo base}\n");
    auto const made = shell(
        "git init -q -b main . && git config user.email a@b && git config user.name n && git add built count && git "
        "commit -qm "
        "1 && git checkout -qb topic && touch ahead && git add ahead && git commit -qm 2");
    ASSERT_EQ(made.code, 0) << made.err;
    auto const judged = kvstone("gate p.yaml --run --base-ref main --head ./built");
    EXPECT_EQ(judged.code, 0) << judged.out << judged.err;
    EXPECT_THAT(judged.out, HasSubstr("kvstone/bases/"));
    // Whatever a maker that was killed has left: a tree without its files, a folder that git does not know, its lock.
    auto const commit = shell("git rev-parse main").out.substr(0, 40);
    auto const tree = "cache/kvstone/bases/" + commit;
    auto const again = [&](std::string const& damage) {
        ASSERT_EQ(shell(damage).code, 0) << damage;
        auto const whole = kvstone("gate p.yaml --run --base-ref main --head ./built");
        EXPECT_EQ(whole.code, 0) << damage << "\n" << whole.out << whole.err;
        EXPECT_TRUE(std::filesystem::exists(path(tree) / "built")) << damage;
    };
    again("rm " + tree + ".whole " + tree + "/built");
    again("rm -r " + tree + " && mkdir " + tree + " && rm " + tree + ".whole");
    again("rm " + tree + ".whole " + tree + "/built && git worktree lock " + tree);
    again("rm -r " + tree);
    ASSERT_EQ(shell("touch " + tree + "/kept").code, 0);
    again("true");
    EXPECT_TRUE(std::filesystem::exists(path(tree) / "kept")) << "a whole tree is used again";
    EXPECT_EQ(kvstone("gate p.yaml --run --base-ref nowhere --head ./built").code, 2);
}

TEST_F(GateTest, AnInjectedSlowdownIsARealOne) {
    write("s.yaml", small_scenario("int8", "min_time: 1 ms, repetitions: 5, threads: 1"));
    auto const plan = json::parse(kvstone("plan s.yaml --json").out);
    auto const id = plan[0]["cells"][0]["id"].get<std::string>();
    // The quickest pass: others may have waited for the machine.
    auto const quickest = [&](std::string const& more) {
        auto const answer = json::parse(kvstone("attempt " + id + " s.yaml --json " + more).out);
        std::vector<double> passes;
        for (auto const& samples : answer["samples"])
            if (samples["metric"] == "decode_ns" && samples["component"] == "k") samples["values"].get_to(passes);
        return *std::ranges::min_element(passes);
    };
    // Twentyfold by the request; a busy machine may make the plain passes slower, and without the request it is one.
    EXPECT_GT(quickest("--slow-down 20"), 3 * quickest(""));
}

}  // namespace
}  // namespace kvstone
