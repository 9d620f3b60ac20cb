// cluster/slurm: the supervisor and the batch script, with launchers and a Slurm that only pretend.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::Not;

class SuperviseTest : public ProgramTest {
  protected:
    void SetUp() override {
        ProgramTest::SetUp();
        write("s.yaml", small_scenario("raw"));
    }
    /// An executable of that name, first on the path.
    void program(std::string const& name, std::string const& script) const {
        std::filesystem::create_directories(path("bin"));
        write("bin/" + name, "#!/bin/sh\n" + script + "\n");
        std::filesystem::permissions(path("bin/" + name), std::filesystem::perms::owner_all);
    }
    static std::string tools() { return source_folder() + "/cluster/slurm"; }
    Ended supervise(std::string const& arguments) const {
        return shell("PATH=$PWD/bin:$PATH " + tools() + "/supervise --database kvstone.db " + arguments);
    }
    /// The batch script as Slurm runs it: a copy elsewhere, in the folder it was submitted from.
    Ended nightly(std::string const& before = "") const {
        return shell("cp " + tools() +
                     "/nightly.sbatch spooled; export PATH=$PWD/bin:$PATH; export SLURM_JOB_ID=7 "
                     "SLURM_JOB_NODELIST=n[1-3] SLURM_SUBMIT_DIR=$PWD; " +
                     before + " bash spooled s.yaml");
    }
    /// scontrol that knows job 7 of three nodes, and its answer to a requeue.
    void pretend_slurm(std::string const& requeue) const {
        program("scontrol",
                "case \"$*\" in 'show hostnames'*) printf 'n1\\nn2\\nn3\\n' ;; 'show job 7') echo '   Command=" +
                    tools() + "/nightly.sbatch s.yaml' ;; requeue*) " + requeue + " ;; esac");
        program("srun", "exit 0");
        program("mpirun", "echo \"mpirun $*\"; while [ $1 != kvstone ]; do shift; done; exec \"$@\"");
    }
};

TEST_F(SuperviseTest, ItsExitCodesAreThoseOfTheProgram) {
    EXPECT_EQ(supervise("-- kvstone run s.yaml").code, 0);
    EXPECT_EQ(supervise("-- kvstone run nowhere.yaml").code, 2);
    // A launcher's own 1 is no regression.
    for (auto const& [said, code] : {std::pair{1, 4}, {66, 4}, {137, 4}, {4, 4}, {5, 5}, {2, 2}, {130, 130}}) {
        auto const ended = supervise(fmt::format("--retries 0 -- sh -c 'exit {}'", said));
        EXPECT_EQ(ended.code, code) << said << ended.err;
    }
    EXPECT_EQ(supervise("--nodes a,b --alive false -- true").code, 5);
    EXPECT_EQ(supervise("").code, 2);
}

TEST_F(SuperviseTest, NodesAreProbedSideBySide) {
    // Each probe waits for the other: one after the other they never end.
    write("probe", "touch $1; while ! [ -e $2 ]; do sleep 0.02; done");
    auto const ended = supervise(
        "--nodes a:2,b --alive 'case {node} in a:2) sh probe at_a at_b ;; *) sh probe at_b at_a ;; esac' -- "
        "sh -c 'echo {nodes} {hosts} {count} {ranks} >seen'");
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(read(path("seen")), "a:2,b a,b 2 3\n");
}

TEST_F(SuperviseTest, ADeadNodeIsLeftOut) {
    auto const ended =
        supervise("--nodes a:2,b,c --alive '[ {node} != b ]' -- sh -c 'echo {nodes} {hosts} {count} {ranks} >seen'");
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(read(path("seen")), "a:2,c a,c 2 3\n");
}

TEST_F(SuperviseTest, SignalsBecomeThoseThatLaunchersHandOn) {
    write("launcher",
          "trap 'echo USR1 >>seen' USR1; trap 'echo USR2 >>seen' USR2; trap 'echo INT >>seen' INT; trap 'echo TERM "
          ">>seen; "
          "exit 130' TERM; echo >begun; while :; do sleep 0.05; done");
    for (auto const& [sent, got] : {std::pair{"USR1", "USR1"}, {"INT", "USR2"}, {"TERM", "USR2"}, {"HUP", "USR2"}}) {
        auto const kill = fmt::format("kill -{} -$pid; ", sent);  // as a terminal does: to the whole group
        auto const ended = shell("rm -f begun seen; env --default-signal=INT setsid " + tools() +
                                 "/supervise --database kvstone.db -- sh launcher & pid=$!; until [ "
                                 "-e begun ]; do sleep 0.02; done; " +
                                 kill + "until [ -e seen ]; do sleep 0.02; done; " + kill +
                                 "until [ $(wc -l <seen) = 2 ]; do sleep 0.02; done; " + kill + "wait $pid; cat seen");
        EXPECT_EQ(ended.code, 0) << ended.err;
        EXPECT_EQ(ended.out, fmt::format("{0}\n{0}\nTERM\n", got)) << sent;
        EXPECT_THAT(ended.err, HasSubstr("interrupted: the run ended with 130"));
    }
}

TEST_F(SuperviseTest, AnInterruptionWhileNodesAreProbedStartsNothing) {
    auto const ended =
        shell("setsid " + tools() +
              "/supervise --database kvstone.db --nodes a --alive 'touch begun; sleep 1' -- touch started & "
              "pid=$!; until [ -e begun ]; do sleep 0.02; done; kill -TERM $pid; wait $pid");
    EXPECT_EQ(ended.code, 130) << ended.err;
    EXPECT_FALSE(std::filesystem::exists(path("started")));
}

TEST_F(SuperviseTest, TheBatchScriptRunsFromAnyFolder) {
    pretend_slurm("exit 0");
    auto const ended = nightly();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_THAT(ended.out, HasSubstr("-H n1:2,n2,n3 kvstone run s.yaml"));
    EXPECT_EQ(rows("select 1 from attempt where status = 'ok'").size(), 2U);
    EXPECT_EQ(nightly("KVSTONE_CHECKOUT=/nowhere").code, 2);
}

TEST_F(SuperviseTest, TheBatchScriptJudgesItsNights) {
    pretend_slurm("exit 0");
    write("good.yaml", "gate: 1\nname: good\nrules: [ratio_vs_fp32 >= 0.9, relative_error_l1 no worse than 0.1%]\n");
    write("bad.yaml", "gate: 1\nname: bad\nrules: [ratio_vs_fp32 >= 1000]\n");
    auto const ended = nightly("KVSTONE_NIGHT=one KVSTONE_GATE='good.yaml --markdown answer.md'");
    EXPECT_EQ(ended.code, 0) << ended.out << ended.err;
    EXPECT_THAT(read(path("answer.md")), HasSubstr("## good: pass"));
    EXPECT_EQ(nightly("KVSTONE_NIGHT=two KVSTONE_GATE=bad.yaml").code, 1);
    EXPECT_EQ(nightly("KVSTONE_NIGHT=three KVSTONE_GATE=nowhere.yaml").code, 2);
    EXPECT_EQ(nightly("KVSTONE_NIGHT=four").code, 0) << "no policy, no verdict";
    EXPECT_EQ(rows("select 1 from gate_run where judgement = 'pass'").size(), 1U);
}

TEST_F(SuperviseTest, TheBatchScriptTakesAnotherLauncherAndModules) {
    pretend_slurm("exit 0");
    program("srun",
            "case $1 in --mpi=pmix) echo \"srun $*\"; while [ $1 != kvstone ]; do shift; done; exec \"$@\" ;; esac");
    write("setup", "echo modules loaded");
    auto const ended = nightly("KVSTONE_SETUP=setup KVSTONE_LAUNCHER='srun --mpi=pmix'");
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_THAT(ended.out, HasSubstr("modules loaded"));
    EXPECT_THAT(ended.out, HasSubstr("--nodelist=n1,n2,n3 --nodes=3 --ntasks=4"));
    EXPECT_THAT(ended.out, Not(HasSubstr("mpirun")));
    EXPECT_EQ(nightly("KVSTONE_SETUP=nowhere").code, 2);
}

TEST_F(SuperviseTest, TheBatchScriptMeasuresEachNightOnce) {
    pretend_slurm("exit 0");
    auto const nights = [&] {
        std::string all;
        for (auto const& row : rows("select night, count(*) as cells from v_latest where metric = 'mae' and component "
                                    "= 'k' group by night order by night"))
            all += row["night"].get<std::string>() + ":" + std::to_string(row["cells"].get<int>()) + " ";
        return all;
    };
    EXPECT_EQ(nightly().code, 0);
    EXPECT_THAT(nightly().err, HasSubstr(" 0 attempts to make")) << "a job keeps its number when it is queued again";
    EXPECT_EQ(nights(), "job-7:2 ");
    auto const another_job = "SLURM_JOB_ID=8 KVSTONE_CHECKOUT=" + source_folder();
    EXPECT_THAT(nightly(another_job).err, HasSubstr(" 2 attempts to make"));
    EXPECT_THAT(nightly("KVSTONE_NIGHT=2026-11-30").err, HasSubstr(" 2 attempts to make"));
    EXPECT_THAT(nightly(another_job + " KVSTONE_NIGHT=2026-11-30").err, HasSubstr(" 0 attempts to make"));
    EXPECT_EQ(nights(), "2026-11-30:2 job-7:2 job-8:2 ");
    EXPECT_EQ(nightly("KVSTONE_NIGHT=").code, 2) << "a date that failed";
}

TEST_F(SuperviseTest, ARefusedRequeueIsAnError) {
    for (bool const refused : {false, true}) {
        pretend_slurm(refused ? "echo denied >&2; exit 1" : "echo $* >requeued");
        program("mpirun", "kill -USR1 $(cat job); sleep 0.5; exit 130");
        auto const ended = nightly("echo $$ >job; exec env");
        EXPECT_EQ(ended.code, refused ? 4 : 0) << ended.err;
        EXPECT_EQ(std::filesystem::exists(path("requeued")), !refused);
        std::filesystem::remove(path("requeued"));
    }
}

TEST_F(SuperviseTest, FailedCellsAreTheBatchScriptsExitCode) {
    pretend_slurm("exit 0");
    write("s.yaml", small_scenario("raw", "timing: off, timeout: 0.001 s"));
    auto const ended = nightly();
    EXPECT_EQ(ended.code, 4) << ended.err;
}

}  // namespace
}  // namespace kvstone
