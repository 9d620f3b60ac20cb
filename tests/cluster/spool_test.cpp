// What is on disk of what was measured, whatever happens to the file or to who wrote it.

#include "cluster/spool.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/cluster/farm.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct SpoolTest : testing::Test {
    SpoolTest() {
        auto pattern = (std::filesystem::temp_directory_path() / "kvstone_spool_XXXXXX").string();
        base = mkdtemp(pattern.data());
        folder = base + "/spool";
    }
    ~SpoolTest() override { std::filesystem::remove_all(base); }

    static WorkItem item(int number) {
        auto made = fake_item(number);
        made.campaign = "campaign";
        made.attempt_id = "attempt" + std::to_string(number);
        return made;
    }
    static Measurement measured(int number) {
        auto made = fake_measurement(item(number));
        made.attempt_id = item(number).attempt_id;
        made.cell_id = item(number).cell.id;
        return made;
    }
    static void write_results(Spool& spool, int count) {
        for (int i = 0; i < count; ++i) {
            spool.begin(item(i), fake_worker("n1"));
            spool.result(item(i), measured(i));
        }
    }
    std::size_t files() const {
        if (!std::filesystem::exists(folder)) return 0;
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder), {}));
    }
    std::string text() const {
        std::ifstream in(std::filesystem::directory_iterator(folder)->path(), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    /// What is collected, all of it taken.
    SpoolContent collected() const {
        SpoolContent all;
        collect_spools(folder, [&](std::string const&, SpoolContent const& content) {
            all.attempts.insert(all.attempts.end(), content.attempts.begin(), content.attempts.end());
            all.notices.insert(all.notices.end(), content.notices.begin(), content.notices.end());
            return true;
        });
        return all;
    }

    std::string base;
    std::string folder;
};

std::vector<std::string> ids(SpoolContent const& content) {
    std::vector<std::string> names;
    for (auto const& attempt : content.attempts) names.push_back(attempt.measurement.attempt_id);
    return names;
}

TEST_F(SpoolTest, ResultsComeBackAndWhatNeverEndedIsLost) {
    {
        Spool spool(folder, "n1/boot");
        write_results(spool, 2);
        spool.begin(item(2), fake_worker("n1"));
        spool.settled(item(2));
        spool.begin(item(3), fake_worker("n1"));
    }
    auto const content = collected();
    EXPECT_THAT(ids(content), ElementsAre("attempt0", "attempt1", "attempt3"));
    EXPECT_THAT(content.notices, IsEmpty());
    EXPECT_EQ(content.attempts[1].campaign, "campaign");
    EXPECT_EQ(content.attempts[1].measurement.figures.at(0).value, 1.0);
    auto const& lost = content.attempts[2].measurement;
    EXPECT_EQ(lost.status, Status::node_lost);
    EXPECT_EQ(lost.cell_id, item(3).cell.id);
    EXPECT_THAT(lost.reason, HasSubstr("n1"));
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(SpoolTest, TornAnywhereEveryCompleteLineIsThereAndTheTornOneIsReported) {
    Spool spool(folder, "n1");
    write_results(spool, 3);
    auto const whole = text();
    ASSERT_THAT(parse_spool(whole).attempts, SizeIs(3));
    for (std::size_t length = 0; length < whole.size(); ++length) {
        auto const part = whole.substr(0, length);
        auto const lines = static_cast<std::size_t>(std::ranges::count(part, '\n'));
        auto const content = parse_spool(part);
        // Lines alternate: an attempt is known from its first line on.
        EXPECT_THAT(content.attempts, SizeIs((lines + 1) / 2)) << length;
        std::size_t ended = 0;
        for (auto const& attempt : content.attempts) ended += attempt.measurement.status == Status::ok ? 1 : 0;
        EXPECT_EQ(ended, lines / 2) << length;
        bool const torn = length > 0 && part.back() != '\n';
        EXPECT_THAT(content.notices, SizeIs(torn ? 1 : 0)) << length;
    }
}

TEST_F(SpoolTest, NoAlteredByteIsTaken) {
    Spool spool(folder, "n1");
    write_results(spool, 2);
    auto const whole = text();
    auto const good = parse_spool(whole);
    for (std::size_t at = 0; at < whole.size(); ++at) {
        auto changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ 0x04);
        auto const content = parse_spool(changed);
        EXPECT_THAT(content.notices, testing::Not(IsEmpty())) << at;
        for (auto const& attempt : content.attempts) {
            if (attempt.measurement.status != Status::ok) continue;
            auto const& original = good.attempts.at(attempt.measurement.attempt_id == "attempt0" ? 0 : 1);
            EXPECT_EQ(to_json(attempt.measurement), to_json(original.measurement)) << at;
        }
    }
}

TEST_F(SpoolTest, ALivingWorkersFileIsLeftAloneAndSoIsOneThatIsNotTaken) {
    auto spool = std::make_unique<Spool>(folder, "n1");
    write_results(*spool, 1);
    EXPECT_THAT(collected().attempts, IsEmpty());
    spool.reset();
    collect_spools(folder, [](std::string const&, SpoolContent const&) { return false; });
    EXPECT_THROW(
        collect_spools(folder, [](std::string const&, SpoolContent const&) -> bool { throw SystemError("x"); }),
        SystemError);
    EXPECT_THAT(collected().attempts, SizeIs(1));
    EXPECT_THAT(collected().attempts, IsEmpty());
}

TEST_F(SpoolTest, NothingIsMadeBeforeTheFirstRecord) {
    Spool spool(folder, "n1");
    spool.remove();
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(SpoolTest, AFullDiskLeavesWholeLines) {
    auto* const before = std::signal(SIGXFSZ, SIG_IGN);
    rlimit unlimited{};
    getrlimit(RLIMIT_FSIZE, &unlimited);
    {
        Spool spool(folder, "n1");
        write_results(spool, 1);
        rlimit const limited{text().size() + 100, unlimited.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limited);
        EXPECT_THROW(spool.result(item(1), measured(1)), SystemError);
        setrlimit(RLIMIT_FSIZE, &unlimited);
        spool.result(item(2), measured(2));
    }
    std::signal(SIGXFSZ, before);
    auto const content = collected();
    EXPECT_THAT(ids(content), ElementsAre("attempt0", "attempt2"));
    EXPECT_THAT(content.notices, IsEmpty());
}

TEST_F(SpoolTest, ARunThatEndsWellLeavesNothing) {
    Spool spool(folder, "n1");
    Farm farm(1);
    auto const outcome = farm.run(fake_items(5), {.spool = &spool});
    EXPECT_EQ(outcome.ok, 5U);
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(SpoolTest, ADatabaseThatFailsLosesNothingThatWasMeasured) {
    std::set<std::string> measured;
    {
        Spool spool(folder, "n1");
        Farm farm(1);
        farm.measure = [&](int, WorkItem const& item) {
            measured.insert(item.attempt_id);
            return fake_measurement(item);
        };
        std::size_t reported = 0;
        farm.callbacks.results = [&](std::vector<Measurement> const& some) {
            reported += some.size();
            if (reported >= 3) throw SystemError("database or disk is full");
        };
        EXPECT_THROW(farm.run(fake_items(9), {.spool = &spool}), SystemError);
    }
    auto const content = collected();
    std::set<std::string> kept;
    for (auto const& id : ids(content)) kept.insert(id);
    EXPECT_EQ(kept, measured);
    EXPECT_GE(kept.size(), 3U);
}

TEST_F(SpoolTest, ASpoolThatFailsEndsTheRunAfterItsResultWasReported) {
    Spool spool("/proc/nowhere", "n1");
    Farm farm(1);
    try {
        farm.run(fake_items(5), {.spool = &spool});
        FAIL() << "no error";
    } catch (SystemError const& error) {
        EXPECT_THAT(error.what(), HasSubstr("/proc/nowhere"));
    }
    EXPECT_THAT(farm.results, SizeIs(1));
}

TEST_F(SpoolTest, AnAttemptThatTheStopEndedLeavesNoTrace) {
    std::atomic<bool> stop = false;
    {
        Spool spool(folder, "n1");
        Farm farm(1);
        farm.measure = [&](int, WorkItem const& item) {
            stop = true;
            auto measurement = fake_measurement(item);
            measurement.status = Status::crash;
            return measurement;
        };
        farm.run(fake_items(5), {.stop = &stop, .spool = &spool});
        // As if this run had no time to take its files away.
        spool.begin(item(7), fake_worker());
        spool.settled(item(7));
    }
    EXPECT_THAT(collected().attempts, IsEmpty());
}

}  // namespace
}  // namespace kvstone
