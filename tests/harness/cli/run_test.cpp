// Runs: stored rows, repeated attempts, and the siblings of a bad cell.

#include <csignal>
#include <map>
#include <set>

#include <gmock/gmock.h>

#include "results/store/sqlite.hpp"
#include "results/store/store.hpp"
#include "tests/harness/cli/program.hpp"
#include "tests/places.hpp"

namespace kvstone {
namespace {

using testing::HasSubstr;

class RunTest : public ProgramTest {
  protected:
    std::map<std::string, std::set<std::string>> statuses() const {
        std::map<std::string, std::set<std::string>> found;
        for (auto const& row : rows("select distinct codec, status from v_latest"))
            found[row["codec"]].insert(row["status"].get<std::string>());
        return found;
    }
};

TEST_F(RunTest, StoresEveryFigureAndThenRunsNothingAgain) {
    write("s.yaml", small_scenario("raw, fp16, int8, 'fp16 | zstd'", "min_time: 1 ms, repetitions: 1"));
    auto const first = kvstone("run s.yaml");
    ASSERT_EQ(first.code, 0) << first.err;
    EXPECT_THAT(first.out, HasSubstr("8/8 cells ok"));
    EXPECT_EQ(rows("select distinct codec, context from v_latest where metric = 'encode_roofline' and component = 'k' "
                   "and value > 0")
                  .size(),
              8U);
    EXPECT_EQ(rows("select 1 from v_latest where metric = 'mae' and codec = 'raw' and value = 0").size(), 6U);

    EXPECT_THAT(kvstone("run s.yaml").err, HasSubstr("0 attempts to make"));
    {
        auto const store = Store::open(path("kvstone.db").string());
        execute(store.connection(), "DELETE FROM attempt WHERE id = 3");
    }
    EXPECT_THAT(kvstone("run s.yaml").err, HasSubstr(" 1 attempts to make"));
    EXPECT_THAT(kvstone("run s.yaml").err, HasSubstr("0 attempts to make"));
    EXPECT_THAT(kvstone("run s.yaml --fresh").err, HasSubstr("8 attempts to make"));
    EXPECT_EQ(rows("select * from v_missing").size(), 0U);
}

TEST_F(RunTest, BadCellsLeaveTheirOwnRowsAndNoOthers) {
    write("s.yaml",
          small_scenario("raw, 'fault:how=crash', 'fault:how=heap', 'fault:how=wrong', 'fault:how=throw', fp16",
                         "timing: off, timeout: 100 s, memory: 1 GiB"));
    // Alone: a limit that is short enough to wait for may be too short for the others on a busy machine.
    write("hang.yaml", small_scenario("'fault:how=hang'", "timing: off, timeout: 1 s"));
    auto const run = "KVSTONE_ATTEMPT=" + programs_folder() + "/kvstone-attempt-faults kvstone-faults run ";
    EXPECT_EQ(shell(run + "hang.yaml").code, 4);
    auto const ended = shell(run + "s.yaml");
    EXPECT_EQ(ended.code, 4) << ended.err;
    auto const found = statuses();
    using Only = std::set<std::string>;
    EXPECT_EQ(found.at("raw"), Only{"ok"});
    EXPECT_EQ(found.at("fp16"), Only{"ok"});
    EXPECT_EQ(found.at("fault:how=crash"), Only{"crash"});
    EXPECT_EQ(found.at("fault:how=hang"), Only{"timeout"});
    EXPECT_EQ(found.at("fault:how=heap"), Only{"oom"});
    EXPECT_EQ(found.at("fault:how=wrong"), Only{"verify_failed"});
    EXPECT_EQ(found.at("fault:how=throw"), Only{"error"});
    auto const crash = rows("select reason, signal from attempt where status = 'crash'").at(0);
    EXPECT_EQ(crash["signal"], SIGSEGV);
    EXPECT_THAT(crash["reason"].get<std::string>(), HasSubstr("SIGSEGV"));
    EXPECT_THAT(ended.out, HasSubstr("crash"));
}

TEST_F(RunTest, ABackendThatNobodyHasIsSkippedUnlessRequired) {
    auto with_backend = small_scenario("raw");
    with_backend.replace(with_backend.find("grid: {"), 7, "grid: {backend: [openmp, cuda], ");
    write("s.yaml", with_backend);
    auto const ended = kvstone("run s.yaml");
    if (rows("select 1 from v_latest where status = 'skipped'").empty()) GTEST_SKIP() << "this machine has CUDA";
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_THAT(rows("select reason from v_latest where status = 'skipped'").at(0)["reason"].get<std::string>(),
                HasSubstr("cuda"));
    write("s.yaml", with_backend + "require: [{backend: cuda}]\n");
    EXPECT_EQ(kvstone("run s.yaml").code, 5);
}

TEST_F(RunTest, AnInterruptedRunIsGoneOnWith) {
    write("s.yaml", small_scenario("raw, fp16, bf16, int8", "min_time: 0.2 s, repetitions: 5"));
    auto const ended = shell("kvstone run s.yaml & pid=$!; sleep 2; kill -INT $pid; wait $pid");
    EXPECT_EQ(ended.code, 130) << ended.err;
    auto const before = rows("select 1 from attempt").size();
    EXPECT_LT(before, 8U);
    EXPECT_EQ(kvstone("run s.yaml").code, 0);
    EXPECT_EQ(rows("select 1 from attempt").size(), 8U);
}

TEST_F(RunTest, EveryNightOfOneBuildHasFiguresOfItsOwn) {
    write("s.yaml", small_scenario("raw, fp16", "min_time: 1 ms, repetitions: 1"));
    EXPECT_THAT(kvstone("run s.yaml --night 2026-11-29").err, HasSubstr("4 attempts to make"));
    EXPECT_THAT(kvstone("run s.yaml --night 2026-11-29").err, HasSubstr(" 0 attempts to make"));
    EXPECT_THAT(kvstone("run s.yaml --night 2026-11-30").err, HasSubstr("4 attempts to make"));
    // A job that was queued again in the second night makes what that night lacks, and leaves the first as it is.
    {
        auto const store = Store::open(path("kvstone.db").string());
        execute(store.connection(), "DELETE FROM attempt WHERE id = (SELECT max(id) FROM attempt)");
    }
    auto const again = kvstone("run s.yaml --night 2026-11-30");
    EXPECT_THAT(again.err, HasSubstr(" 1 attempts to make"));
    EXPECT_THAT(again.out, HasSubstr("night 2026-11-30"));
    auto const figures = rows(
        "select night, count(*) as figures, count(distinct cell) as cells from v_latest where status = 'ok' group by "
        "night order by night");
    ASSERT_EQ(figures.size(), 2U);
    EXPECT_EQ(figures[0]["night"], "2026-11-29");
    EXPECT_EQ(figures[0]["cells"], 4);
    EXPECT_EQ(figures[0]["figures"], figures[1]["figures"]);
    EXPECT_EQ(rows("select distinct night from v_history where same_binary").size(), 1U);
    // Errors and bytes of one build are the same every night.
    auto const compared = kvstone("compare 2026-11-29 2026-11-30 --metric mae,bits_per_value --json");
    EXPECT_EQ(compared.code, 0) << compared.out << compared.err;
    auto const sides = nlohmann::json::parse(compared.out);
    EXPECT_EQ(sides["base"]["night"], "2026-11-29");
    EXPECT_EQ(sides["head"]["night"], "2026-11-30");
    EXPECT_NE(sides["base"]["campaign"], sides["head"]["campaign"]);
    auto const last_two = nlohmann::json::parse(kvstone("compare small --json").out);
    EXPECT_EQ(last_two["base"]["night"], "2026-11-29");
    EXPECT_EQ(last_two["head"]["night"], "2026-11-30");
}

TEST_F(RunTest, ANightNeedsAName) {
    write("s.yaml", small_scenario("raw"));
    for (auto const* night : {"'two words'", "latest", "22:00", "x/y", "=-1"}) {
        auto const ended = kvstone(std::string("run s.yaml --night ") + night);
        EXPECT_EQ(ended.code, 2) << night;
        EXPECT_THAT(ended.err, HasSubstr("accepted: letters, digits and -_.+, 64 at most")) << night;
        EXPECT_FALSE(std::filesystem::exists(path("kvstone.db"))) << night;
    }
}

TEST_F(RunTest, ASecondWriterIsRefused) {
    write("s.yaml", small_scenario("raw"));
    auto const held = Store::open(path("kvstone.db").string());
    auto const ended = kvstone("run s.yaml");
    EXPECT_EQ(ended.code, 2);
    EXPECT_THAT(ended.err, HasSubstr("kvstone.db"));
    EXPECT_THAT(ended.err, HasSubstr(std::to_string(getpid())));
}

}  // namespace
}  // namespace kvstone
