// The same cells over ranks and in one process.

#include "tests/harness/cli/program.hpp"

namespace kvstone {
namespace {

using MpiRunTest = MpiTest<ProgramTest>;

TEST_F(MpiRunTest, ThreeRanksGiveTheRowsOfOneProcess) {
    write("s.yaml", small_scenario("raw, fp16, int8, 'int8:scheme=asymmetric,clip=0.999', 'fp16 | zstd'",
                                   "min_time: 1 ms, repetitions: 1"));
    auto const alone = kvstone("run s.yaml --db one.db");
    ASSERT_EQ(alone.code, 0) << alone.err;
    auto const ranks = shell(mpirun(3) + "kvstone run s.yaml --db three.db");
    ASSERT_EQ(ranks.code, 0) << ranks.err;
    auto const figures = [&](std::string const& database) {
        auto const ended = kvstone("query --db " + database +
                                   " --json \"select l.cell, l.component, l.metric, l.value from v_latest l join "
                                   "metric m on m.name = l.metric "
                                   "where m.deterministic = 1 order by 1, 2, 3\"");
        EXPECT_EQ(ended.code, 0) << ended.err;
        return nlohmann::json::parse(ended.out);
    };
    auto const one = figures("one.db");
    EXPECT_GT(one.size(), 10U * 30U);
    EXPECT_EQ(one, figures("three.db"));
}

/// An error on a rank before all have met ends the job as it ends one process: with its exit code and its words.
/// `timeout` is only there to end a test that hangs; no destructor may wait for half of it.
TEST_F(MpiRunTest, BadInputEndsEveryRankWithTheWordsOfOneProcess) {
    write("s.yaml", small_scenario("no_such_codec"));
    write("good.yaml", small_scenario("int8"));
    write("typo.yaml", "gate: 1\nrules:\n  - relativ_error_l1 <= 0.05\n");
    write("p.yaml", "gate: 1\nscenario: s.yaml\nrules: [relative_error_l1 <= 0.05]\n");
    write("text.db", "no database");
    for (auto const* command :
         {"run s.yaml", "run absent.yaml", "run good.yaml --db text.db", "gate typo.yaml --run",
          "gate p.yaml --run --base kvstone", "gate typo.yaml --run --no-such-option", "plan s.yaml"}) {
        auto const alone = kvstone(command);
        ASSERT_NE(alone.code, 0) << command;
        auto const words = alone.err.substr(0, alone.err.find('\n'));
        auto const ended = shell("timeout 25 " + mpirun(3) + "kvstone " + command);
        EXPECT_EQ(ended.code, alone.code) << command << "\n" << ended.err;
        EXPECT_NE(ended.err.find(words), std::string::npos) << command << ": " << words << "\n" << ended.err;
        EXPECT_EQ(ended.err.find("MPI did not end"), std::string::npos) << ended.err;
    }
    EXPECT_FALSE(std::filesystem::exists(path("kvstone.db")));
}

TEST_F(MpiRunTest, AnErrorOfAnotherRankEndsEveryRankToo) {
    write("s.yaml", small_scenario("int8"));
    write("p.yaml", "gate: 1\nscenario: s.yaml\nrules: [relative_error_l1 <= 0.05]\n");
    for (std::string const command : {"run s.yaml", "gate p.yaml --run --base $(command -v kvstone)"}) {
        auto const ended = shell("timeout 25 " + mpirun(3) +
                                 "sh -c 'test $OMPI_COMM_WORLD_RANK = 1 && export KVSTONE_MPI_MODULE=/nowhere.so; "
                                 "exec kvstone " +
                                 command + "'");
        EXPECT_EQ(ended.code, 4) << command << ended.err;
        EXPECT_NE(ended.err.find("/nowhere.so"), std::string::npos) << command << ended.err;
    }
}

}  // namespace
}  // namespace kvstone
