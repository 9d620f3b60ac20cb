// Interruptions and sudden deaths of a run, while attempts of ten minutes are under way: none of them is a loss.

#include <algorithm>
#include <csignal>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "cluster/spool.hpp"
#include "results/store/sqlite.hpp"
#include "results/store/store.hpp"
#include "tests/harness/cli/program.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;
using testing::Not;

class InterruptTest : public ProgramTest {
  protected:
    /// Two quick cells and two that sleep.
    void SetUp() override {
        ProgramTest::SetUp();
        write("s.yaml", small_scenario("raw, 'fault:how=sleep'", "timing: off, timeout: 1000 s"));
    }
    std::string with_faults(std::string const& sleep_s) const {
        return "export KVSTONE_ATTEMPT=" + programs_folder() +
               "/kvstone-attempt-faults KVSTONE_FAULT_MARK=$PWD/mark KVSTONE_FAULT_SLEEP_S=" + sleep_s + "; ";
    }
    /// Starts a run in a process group of its own, and does something to $pid once a shell condition holds.
    Ended run_and(std::string const& when, std::string const& strike, std::string const& arguments = "",
                  std::string const& launcher = "", std::string const& afterwards = "true") const {
        return shell(with_faults("600") + "rm -rf mark kvstone.db.spool; setsid " + launcher +
                     "kvstone-faults run s.yaml " + arguments + " & pid=$!; until " + when +
                     "; do kill -0 $pid || break; sleep 0.02; done; " + strike + "; wait $pid; code=$?; " + afterwards +
                     "; (exit $code)");
    }
    Ended run_to_its_end(std::string const& arguments = "") const {
        return shell(with_faults("0") + "kvstone-faults run s.yaml " + arguments);
    }
    void expect_that_nothing_was_lost() const {
        EXPECT_EQ(rows("select 1 from attempt where status <> 'ok'").size(), 0U);
        auto const ended = run_to_its_end();
        EXPECT_EQ(ended.code, 0) << ended.err;
        EXPECT_THAT(ended.err, Not(HasSubstr("left out")));
        EXPECT_EQ(rows("select 1 from attempt").size(), 4U);
        EXPECT_EQ(rows("select 1 from attempt where status <> 'ok'").size(), 0U);
        EXPECT_FALSE(std::filesystem::exists(path("kvstone.db.spool")));
    }

    static constexpr char const* starting = "grep -qs begin kvstone.db.spool/*.jsonl";
    static constexpr char const* running = "[ -s mark ]";
};

TEST_F(InterruptTest, OneSignalEndsARunAfterItsGraceAndTwiceIsNoLoss) {
    for (char const* const state : {starting, running, running}) {
        for (char const* const signal : {"INT", "TERM"}) {
            auto const ended = run_and(state, fmt::format("kill -{} $pid", signal), "--grace 0.3");
            EXPECT_EQ(ended.code, 130) << signal << ended.err;
            EXPECT_THAT(ended.err, Not(HasSubstr("rank")));
        }
    }
    expect_that_nothing_was_lost();
}

TEST_F(InterruptTest, ASecondSignalEndsTheGraceAndAThirdTheProcess) {
    for (char const* const state : {starting, running}) {
        auto const two = run_and(state, "kill -INT $pid; sleep 0.5; kill -INT $pid", "--grace 3600");
        EXPECT_EQ(two.code, 130) << two.err;
        auto const three = run_and(state, "kill -INT $pid; kill -TERM $pid; kill -HUP $pid", "--grace 3600");
        EXPECT_EQ(three.code, 130) << three.err;
    }
    expect_that_nothing_was_lost();
}

TEST_F(InterruptTest, SignalsToTheWholeGroupStoreNoError) {
    for (char const* const signal : {"TERM", "HUP", "INT", "USR1"}) {
        auto const ended = run_and(running, fmt::format("kill -{} -$pid", signal), "--grace 0.3");
        EXPECT_EQ(ended.code, 130) << signal << ended.err;
        // Batch systems signal every process of a job, attempts too.
        auto const all = run_and(running, fmt::format("kill -{0} $(cat mark); kill -{0} -$pid", signal), "--grace 0.3");
        EXPECT_EQ(all.code, 130) << signal << all.err;
    }
    expect_that_nothing_was_lost();
}

TEST_F(InterruptTest, NohupsHangUpIsNoInterruption) {
    auto const ended =
        run_and(running, "kill -HUP $pid; sleep 1; kill -0 $pid && echo lives; kill -INT $pid", "--grace 0", "nohup ");
    EXPECT_EQ(ended.code, 130) << ended.err;
    EXPECT_THAT(ended.out, HasSubstr("lives"));
}

TEST_F(InterruptTest, WhatEndsWithinTheGraceIsStored) {
    write("s.yaml", small_scenario("'fault:how=sleep'", "timing: off, timeout: 1000 s"));
    auto const ended = shell(with_faults("2") + "kvstone-faults run s.yaml --grace 100 & pid=$!; until " + running +
                             "; do sleep 0.02; done; kill -INT $pid; wait $pid");
    EXPECT_EQ(ended.code, 130) << ended.err;
    EXPECT_EQ(rows("select 1 from attempt where status = 'ok'").size(), 1U);
}

TEST_F(InterruptTest, ASlurmJobsEndIsTheGraceOfItsWarning) {
    // 20 s are kept for storing: with less left, nothing is waited for.
    auto const now = run_and(running, "kill -USR1 $pid", "", "env SLURM_JOB_END_TIME=$(($(date +%s) + 15)) ");
    EXPECT_EQ(now.code, 130) << now.err;
    EXPECT_THAT(now.err, HasSubstr("have 0 s more"));
    auto const later = run_and(running, "kill -USR1 $pid; sleep 0.5; kill -USR1 $pid", "",
                               "env SLURM_JOB_END_TIME=$(($(date +%s) + 100000)) ");
    EXPECT_EQ(later.code, 130) << later.err;
    EXPECT_THAT(later.err, testing::ContainsRegex("have 99[0-9][0-9][0-9] s more"));
}

TEST_F(InterruptTest, ARunThatIsKilledTwiceLeavesNothingOut) {
    for (int i = 0; i < 3; ++i) EXPECT_EQ(run_and(running, "kill -KILL $pid").code, 137);
    auto const again = run_to_its_end();
    EXPECT_EQ(again.code, 0) << again.err;
    EXPECT_THAT(again.err, HasSubstr("under way when an earlier run died"));
    expect_that_nothing_was_lost();
}

TEST_F(InterruptTest, ACampaignWithFailedCellsNeverEndsWith0) {
    write("s.yaml", small_scenario("raw, 'fault:how=wrong'"));
    for (int i = 0; i < 3; ++i) {
        auto const ended = run_to_its_end();
        EXPECT_EQ(ended.code, 4) << ended.err;
        EXPECT_THAT(ended.err, HasSubstr(i == 0 ? " 4 attempts to make" : " 0 attempts to make"));
    }
}

TEST_F(InterruptTest, AQuarantinedCellIsTriedAgainByName) {
    ASSERT_EQ(run_to_its_end().code, 0);
    {
        auto const store = Store::open(path("kvstone.db").string());
        execute(
            store.connection(),
            "UPDATE attempt SET status = 'node_lost' WHERE id < 3;"
            "INSERT INTO attempt(uid, campaign, cell, process, status, finished_utc) SELECT 'again' || id, campaign, "
            "cell, process, 'node_lost', finished_utc FROM attempt WHERE id < 3");
    }
    auto const cell = [&](int attempt) {
        return rows(
                   fmt::format("select cell.uid from attempt a join cell on cell.id = a.cell where a.id = {}", attempt))
            .at(0)["uid"]
            .get<std::string>();
    };
    auto const without = run_to_its_end();
    EXPECT_EQ(without.code, 4);
    EXPECT_THAT(without.err, HasSubstr("--retry " + cell(1)));
    EXPECT_THAT(without.err, HasSubstr(" 0 attempts to make"));
    EXPECT_EQ(run_to_its_end("--retry nonsense").code, 2);
    auto const one = run_to_its_end("--retry " + cell(1));
    EXPECT_EQ(one.code, 4);
    EXPECT_THAT(one.err, HasSubstr(" 1 attempts to make"));
    auto const both = run_to_its_end("--retry " + cell(2).substr(0, 12));
    EXPECT_EQ(both.code, 0) << both.err;
}

TEST_F(InterruptTest, ASpoolOfANewerBuildIsKeptAndTheRunGoesOn) {
    write("s.yaml", small_scenario("raw"));
    ASSERT_EQ(run_to_its_end().code, 0);
    auto const row = rows("select campaign, cell from v_latest limit 1").at(0);
    {
        auto const store = Store::open(path("kvstone.db").string());
        execute(store.connection(), "DELETE FROM attempt");
        WorkItem item;
        item.campaign = row["campaign"];
        Spool spool(path("kvstone.db.spool").string(), "n1");
        auto const spooled = [&](std::string const& id, std::string const& cell, std::string const& metric) {
            item.attempt_id = id;
            Measurement measurement;
            measurement.attempt_id = id;
            measurement.cell_id = cell;
            measurement.status = Status::ok;
            measurement.finished_utc = "2026-01-02T03:04:05.000Z";
            measurement.figures.push_back({"k", metric, 0.5, 1, {}, {}});
            spool.result(item, measurement);
        };
        spooled("known", row["cell"], "mae");
        spooled("newer", row["cell"], "metric_of_tomorrow");
    }
    for (int i = 0; i < 2; ++i) {
        auto const ended = run_to_its_end();
        EXPECT_EQ(ended.code, 0) << ended.err;
        EXPECT_THAT(ended.err, HasSubstr("metric_of_tomorrow"));
        int kept = 0;
        for (auto const& entry : std::filesystem::directory_iterator(path("kvstone.db.spool")))
            kept += entry.path().string().ends_with(".jsonl.unknown-metric") ? 1 : 0;
        EXPECT_EQ(kept, 1);
    }
    EXPECT_EQ(rows("select 1 from attempt where uid = 'known'").size(), 1U);
    EXPECT_EQ(rows("select 1 from attempt where uid = 'newer'").size(), 0U);
    EXPECT_EQ(rows("select 1 from attempt where stands").size(), 2U);
}

class MpiInterruptTest : public MpiTest<InterruptTest> {
  protected:
    std::string const launcher = mpirun(3);
    /// Ranks that lost their launcher end a little later.
    static constexpr char const* until_all_are_gone =
        "sleep 1; for file in kvstone.db.lock kvstone.db.spool/*; do while [ -e $file ] && ! flock --nonblock $file "
        "true; "
        "do sleep 0.1; done; done";
};

TEST_F(MpiInterruptTest, WhatTheLauncherHandsOnInterruptsEveryRank) {
    for (char const* const signal : {"USR1", "USR2"}) {
        auto const ended = run_and(running, fmt::format("kill -{} $pid", signal), "--grace 0.3", launcher);
        EXPECT_EQ(ended.code, 130) << ended.err;
        EXPECT_THAT(ended.err, HasSubstr("interrupted"));
    }
    expect_that_nothing_was_lost();
}

TEST_F(MpiInterruptTest, ALauncherThatKillsItsRanksLosesNoAttempt) {
    // Open MPI 6 kills its ranks at once at SIGINT and SIGTERM, and ends with a code of its own.
    for (char const* const signal : {"INT", "TERM", "KILL"}) {
        auto const ended = run_and(running, fmt::format("kill -{} $pid", signal), "", launcher, until_all_are_gone);
        EXPECT_NE(ended.code, 0) << signal;
    }
    expect_that_nothing_was_lost();
}

TEST_F(MpiInterruptTest, RanksThatAreKilledOneAfterTheOtherLoseNoAttempt) {
    for (int i = 0; i < 2; ++i) {
        auto const ended = run_and(running, "for rank in $(cat /proc/$pid/task/*/children); do kill -KILL $rank; done",
                                   "", launcher, until_all_are_gone);
        EXPECT_NE(ended.code, 0);
    }
    expect_that_nothing_was_lost();
}

}  // namespace
}  // namespace kvstone
