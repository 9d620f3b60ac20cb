// Interruptions of a gate that measures, while an attempt of ten minutes is under way.

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

class GateInterruptTest : public ProgramTest {
  protected:
    /// A build whose second cell sleeps.
    void SetUp() override {
        ProgramTest::SetUp();
        write("s.yaml", small_scenario("raw, 'fault:how=sleep'", "timing: off, timeout: 1000 s"));
        write("p.yaml", "gate: 1\nscenario: s.yaml\nrules: [relative_error_l1 no worse than 0.1%]\n");
        write("build", "#!/bin/sh\nexport KVSTONE_ATTEMPT=" + programs_folder() +
                           "/kvstone-attempt-faults KVSTONE_FAULT_MARK=\"${0%/*}/mark\" KVSTONE_FAULT_SLEEP_S=600\n"
                           "exec kvstone-faults \"$@\"\n");
        std::filesystem::permissions(path("build"), std::filesystem::perms::owner_all);
    }
    /// Starts a gate, and does something to $pid once an attempt sleeps. Its code is 99 where the attempt outlives it.
    Ended interrupted_by(std::string const& strike, std::string const& launcher = "") const {
        return shell("rm -f mark; setsid timeout 60 " + launcher +
                     "kvstone-faults gate p.yaml --run --base ./build --head ./build & pid=$!; until [ -s mark ]; do "
                     "kill -0 $pid || break; sleep 0.02; done; " +
                     strike + "; wait $pid; code=$?; sleep 0.5; kill -0 $(cat mark) && code=99; (exit $code)");
    }
};

TEST_F(GateInterruptTest, ASignalEndsTheAttemptUnderWay) {
    for (char const* const signal : {"INT", "TERM"}) {
        auto const ended = interrupted_by(fmt::format("kill -{} $(cat /proc/$pid/task/*/children)", signal));
        EXPECT_EQ(ended.code, 130) << signal << ended.err;
    }
    EXPECT_EQ(rows("select 1 from gate_attempt where status not in ('ok', 'skipped')").size(), 0U)
        << "what is cut short is no failure";
    EXPECT_EQ(rows("select 1 from gate_run where exit_code = 130").size(), 2U);
}

using MpiGateInterruptTest = MpiTest<GateInterruptTest>;

TEST_F(MpiGateInterruptTest, ASignalToRanksOrTheirLauncherEndsTheAttemptUnderWay) {
    // Open MPI 6 hands these on, and kills its ranks at SIGINT and SIGTERM: these go to the ranks themselves.
    for (std::string const strike :
         {"kill -USR1 $launcher", "kill -TERM $ranks",
          "for rank in $ranks; do grep -qz '^OMPI_COMM_WORLD_RANK=0$' /proc/$rank/environ && kill -INT $rank; done"}) {
        auto const ended = interrupted_by(
            "launcher=$(echo $(cat /proc/$pid/task/*/children)); "
            "ranks=$(echo $(cat /proc/$launcher/task/*/children)); " +
                strike,
            mpirun(3));
        EXPECT_EQ(ended.code, 130) << strike << ended.err;
    }
    EXPECT_EQ(rows("select 1 from gate_attempt where status not in ('ok', 'skipped')").size(), 0U);
}

}  // namespace
}  // namespace kvstone
