// Spools keep measurements on disk, also where the file is damaged or its writer dies.

#include "cluster/spool.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "scenarios/content_hash.hpp"
#include "tests/cluster/local_cluster.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

struct SpoolTest : testing::Test {
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
    /// The collected attempts, all of them taken.
    SpoolContent collected() const {
        SpoolContent all;
        auto const take = [&](std::string const&, SpoolContent const& content) {
            all.attempts.insert(all.attempts.end(), content.attempts.begin(), content.attempts.end());
            all.under_way.insert(all.under_way.end(), content.under_way.begin(), content.under_way.end());
            all.notices.insert(all.notices.end(), content.notices.begin(), content.notices.end());
            return SpoolFate{};
        };
        collect_spools(folder, take, [&](std::string const& text) { all.notices.push_back(text); });
        return all;
    }
    std::vector<std::string> names() const {
        std::vector<std::string> found;
        for (auto const& entry : std::filesystem::directory_iterator(folder))
            found.push_back(entry.path().filename().string());
        return found;
    }
    /// A line as a worker writes it.
    static std::string line(std::string const& text) { return short_hash(text) + ' ' + text + '\n'; }
    static std::string line(Json const& record) { return line(record.dump()); }

    ScratchFolder const base;
    std::string folder = base / "spool";
};

std::vector<std::string> ids(SpoolContent const& content) {
    std::vector<std::string> names;
    for (auto const& attempt : content.attempts) names.push_back(attempt.measurement.attempt_id);
    return names;
}

TEST_F(SpoolTest, ResultsComeBackAndWhatNeverEndedIsTold) {
    {
        Spool spool(folder, "n1/boot");
        write_results(spool, 2);
        spool.begin(item(2), fake_worker("n1"));
        spool.settled(item(2));
        spool.begin(item(3), fake_worker("n1"));
    }
    auto const content = collected();
    EXPECT_THAT(ids(content), ElementsAre("attempt0", "attempt1"));
    EXPECT_THAT(content.notices, IsEmpty());
    EXPECT_EQ(content.attempts[1].campaign, "campaign");
    EXPECT_EQ(content.attempts[1].measurement.figures.at(0).value, 1.0);
    ASSERT_THAT(content.under_way, SizeIs(1));
    EXPECT_EQ(content.under_way[0].campaign, "campaign");
    EXPECT_EQ(content.under_way[0].measurement.cell_id, item(3).cell.id);
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
        EXPECT_THAT(content.attempts, SizeIs(lines / 2)) << length;
        EXPECT_THAT(content.under_way, SizeIs(lines % 2)) << length;
        bool const torn = length > 0 && part.back() != '\n';
        EXPECT_THAT(content.notices, SizeIs(torn ? 1 : 0)) << length;
        EXPECT_EQ(content.not_understood, "") << length;
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
        if (changed.back() == '\n') {
            EXPECT_EQ(content.not_understood, "damaged") << at;
        }
        for (auto const& attempt : content.attempts) {
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
    auto const quiet = [](std::string const&) {};
    collect_spools(
        folder, [](std::string const&, SpoolContent const&) { return SpoolFate{SpoolFate::Kind::keep}; }, quiet);
    EXPECT_THROW(
        collect_spools(
            folder, [](std::string const&, SpoolContent const&) -> SpoolFate { throw SystemError("x"); }, quiet),
        SystemError);
    EXPECT_THAT(collected().attempts, SizeIs(1));
    EXPECT_THAT(collected().attempts, IsEmpty());
}

TEST_F(SpoolTest, NothingIsMadeBeforeTheFirstRecord) {
    Spool spool(folder, "n1");
    spool.close({});
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(SpoolTest, TheFileGoesOnlyWhenAllItsResultsAreStored) {
    {
        Spool spool(folder, "n1");
        write_results(spool, 3);
        spool.stored({"attempt0", "attempt1"});
        spool.close({});
    }
    EXPECT_THAT(ids(collected()), ElementsAre("attempt0", "attempt1", "attempt2"));
    Spool spool(folder, "n1");
    write_results(spool, 3);
    spool.begin(item(3), fake_worker("n1"));
    spool.settled(item(3));
    spool.stored({"attempt0", "attempt2"});
    spool.close({"attempt1"});
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(SpoolTest, LinesOfAnOlderBuildAreUnderstood) {
    auto measurement = to_json(measured(1));
    for (char const* const later : {"engine", "task", "harness_ns", "roofline_gb_per_s"}) measurement.erase(later);
    auto const content = parse_spool(line({{"result", {{"campaign", "c"}, {"measurement", measurement}}}}));
    EXPECT_EQ(content.not_understood, "");
    ASSERT_THAT(content.attempts, SizeIs(1));
    EXPECT_EQ(content.attempts[0].measurement.figures.at(0).value, 1.0);
    EXPECT_EQ(content.attempts[0].measurement.engine, "");
    for (char const* const necessary : {"attempt_id", "cell_id", "process", "status", "finished_utc"}) {
        auto less = measurement;
        less.erase(necessary);
        auto const part = parse_spool(line({{"result", {{"campaign", "c"}, {"measurement", less}}}}));
        EXPECT_EQ(part.not_understood, "other-build") << necessary;
        EXPECT_THAT(part.attempts, IsEmpty()) << necessary;
    }
}

TEST_F(SpoolTest, WhatANewerBuildSaysMoreIsNotDropped) {
    auto const good = line({{"result", {{"campaign", "c"}, {"measurement", to_json(measured(1))}}}});
    std::vector<Json> newer;
    auto more = to_json(measured(2));
    more["instrument"] = "callgrind";
    newer.push_back({{"result", {{"campaign", "c"}, {"measurement", more}}}});
    more = to_json(measured(2));
    more["figures"][0]["tail"] = 0.5;
    newer.push_back({{"result", {{"campaign", "c"}, {"measurement", more}}}});
    more = to_json(measured(2));
    more["status"] = "postponed";
    newer.push_back({{"result", {{"campaign", "c"}, {"measurement", more}}}});
    newer.push_back({{"postponed", "attempt2"}});
    for (auto const& record : newer) {
        auto const content = parse_spool(good + line(record));
        EXPECT_EQ(content.not_understood, "other-build") << record;
        EXPECT_THAT(content.attempts, SizeIs(1)) << record;
        EXPECT_THAT(content.notices, ElementsAre(HasSubstr("line 2"))) << record;
    }
}

TEST_F(SpoolTest, AFileThatIsSetAsideKeepsItsTextAndIsLookedAtAgain) {
    std::filesystem::create_directory(folder);
    auto const whole = line(std::string("no record")) + "torn";
    std::ofstream(folder + "/n1-7-abc.jsonl", std::ios::binary) << whole;
    std::vector<std::string> notices;
    std::vector<std::string> seen;
    SpoolFate fate{SpoolFate::Kind::set_aside, "other-build"};
    auto const collect = [&] {
        collect_spools(
            folder,
            [&](std::string const& path, SpoolContent const&) {
                seen.push_back(path);
                return fate;
            },
            [&](std::string const& text) { notices.push_back(text); });
    };
    collect();
    collect();
    EXPECT_THAT(names(), ElementsAre("n1-7-abc.jsonl.other-build"));
    EXPECT_EQ(text(), whole);
    EXPECT_THAT(notices, ElementsAre(HasSubstr("n1-7-abc.jsonl.other-build")));
    fate = {SpoolFate::Kind::set_aside, "unknown-metric"};
    collect();
    EXPECT_THAT(names(), ElementsAre("n1-7-abc.jsonl.unknown-metric"));
    fate = {};
    collect();
    EXPECT_FALSE(std::filesystem::exists(folder));
    EXPECT_THAT(seen, SizeIs(4));
}

TEST_F(SpoolTest, WhatACrashLeftOfAFileBeingMadeGoes) {
    std::filesystem::create_directory(folder);
    std::ofstream(folder + "/n1-7-abc.jsonl.new") << "";
    EXPECT_THAT(collected().attempts, IsEmpty());
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
    LocalCluster local(1);
    auto const outcome = local.run(fake_items(5), {.spool = &spool});
    EXPECT_EQ(outcome.ok, 5U);
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST_F(SpoolTest, ADatabaseThatFailsLosesNothingThatWasMeasured) {
    std::set<std::string> measured;
    {
        Spool spool(folder, "n1");
        LocalCluster local(1);
        local.measure = [&](int, WorkItem const& item) {
            measured.insert(item.attempt_id);
            return fake_measurement(item);
        };
        std::size_t reported = 0;
        local.callbacks.results = [&](std::vector<Measurement> const& some) {
            reported += some.size();
            if (reported >= 3) throw SystemError("database or disk is full");
        };
        EXPECT_THROW(local.run(fake_items(9), {.spool = &spool}), SystemError);
    }
    auto const content = collected();
    std::set<std::string> kept;
    for (auto const& id : ids(content)) kept.insert(id);
    EXPECT_EQ(kept, measured);
    EXPECT_GE(kept.size(), 3U);
}

TEST_F(SpoolTest, ASpoolThatFailsEndsTheRunAfterItsResultWasReported) {
    Spool spool("/proc/nowhere", "n1");
    LocalCluster local(1);
    try {
        local.run(fake_items(5), {.spool = &spool});
        FAIL() << "no error";
    } catch (SystemError const& error) {
        EXPECT_THAT(error.what(), HasSubstr("/proc/nowhere"));
    }
    EXPECT_THAT(local.results, SizeIs(1));
}

TEST_F(SpoolTest, AnAttemptThatTheStopEndedLeavesNoTrace) {
    std::atomic<bool> stop = false;
    {
        Spool spool(folder, "n1");
        LocalCluster local(1);
        local.measure = [&](int, WorkItem const& item) {
            stop = true;
            auto measurement = fake_measurement(item);
            measurement.status = Status::crash;
            return measurement;
        };
        local.run(fake_items(5), {.stop = &stop, .spool = &spool});
        // As if this run had no time to take its files away.
        spool.begin(item(7), fake_worker());
        spool.settled(item(7));
    }
    auto const content = collected();
    EXPECT_THAT(content.attempts, IsEmpty());
    EXPECT_THAT(content.under_way, IsEmpty());
}

}  // namespace
}  // namespace kvstone
