// Facts about the next attempts from stored ones.

#include <cmath>

#include "results/query/recorded_history.hpp"
#include "tests/results/store_fixture.hpp"

namespace kvstone {
namespace {

using test::build;
using test::cell;
using test::measurement;
using test::plan;

struct HistoryTest : testing::Test {
    test::Folder folder;
    Cell raw = cell("raw"), fp16 = cell("fp16");
    Store store = Store::open(folder.file());

    /// An attempt that took so long, in a campaign of its own.
    void attempt(Cell const& of, double wall_s, std::string const& hardware_class = "hw",
                 std::string const& host = "node1", int repetitions = 5, Status status = Status::ok) {
        auto p = plan({of});
        p.measure.repetitions = repetitions;
        p.hash = fmt::format("plan with {} repetitions of {}", repetitions, of.id);
        auto const campaign = store.begin_campaign(p, build(), hardware_class, true);
        auto m = measurement(of, status);
        m.wall_ns = static_cast<std::int64_t>(1e9 * wall_s);
        m.host = {{"name", host}, {"hardware_class", hardware_class}};
        m.finished_utc = fmt::format("2026-01-02T03:05:{:02}.000Z", ++serial);
        store.ingest(campaign, {m});
    }
    int serial = 0;
};

TEST_F(HistoryTest, ACellThatWasNeverTriedIsNotKnown) {
    EXPECT_TRUE(recorded_history(store, {}, "hw").cells.empty());
    attempt(raw, 2);
    auto const history = recorded_history(store, {}, "hw");
    EXPECT_EQ(history.cells.size(), 1u);
    EXPECT_EQ(history.spread, 0);
    EXPECT_EQ(history.between_s, 0);
}

TEST_F(HistoryTest, TheCostIsTheMedianOfTheLikestAttempts) {
    attempt(raw, 50, "other");
    EXPECT_DOUBLE_EQ(recorded_history(store, {}, "hw").cells.at(raw.id).cost_s, 50) << "better than nothing";
    attempt(raw, 30, "hw", "node1", 1);
    EXPECT_DOUBLE_EQ(recorded_history(store, {}, "hw").cells.at(raw.id).cost_s, 50) << "as long goes before as fast";
    attempt(raw, 1);
    EXPECT_DOUBLE_EQ(recorded_history(store, {}, "hw").cells.at(raw.id).cost_s, 1);
    attempt(raw, 9, "hw", "node1", 5, Status::crash);
    EXPECT_DOUBLE_EQ(recorded_history(store, {}, "hw").cells.at(raw.id).cost_s, 5) << "between the middle two";
    attempt(raw, 4);
    attempt(fp16, 7);
    auto const history = recorded_history(store, {}, "hw");
    EXPECT_DOUBLE_EQ(history.cells.at(raw.id).cost_s, 4);
    EXPECT_DOUBLE_EQ(history.cells.at(fp16.id).cost_s, 7);
}

TEST_F(HistoryTest, SkippedAndLostAttemptsTellNothing) {
    attempt(raw, 5, "hw", "node1", 5, Status::skipped);
    attempt(raw, 5, "hw", "node1", 5, Status::node_lost);
    EXPECT_TRUE(recorded_history(store, {}, "hw").cells.empty());
}

TEST_F(HistoryTest, HomeIsTheHostOfTheClassWithMostStandingAttempts) {
    attempt(raw, 1, "hw", "a");
    attempt(raw, 1, "hw", "b");
    EXPECT_EQ(recorded_history(store, {}, "hw").cells.at(raw.id).host, "b") << "the latest among equals";
    attempt(raw, 1, "hw", "a");
    attempt(raw, 1, "hw", "b", 5, Status::crash);
    attempt(raw, 1, "other", "c");
    attempt(raw, 1, "other", "c");
    attempt(raw, 1, "other", "c");
    EXPECT_EQ(recorded_history(store, {}, "hw").cells.at(raw.id).host, "a");
    EXPECT_EQ(recorded_history(store, {}, "unknown").cells.at(raw.id).host, "");
}

TEST_F(HistoryTest, SpreadIsThatOfLogarithmsWithinCells) {
    for (double const factor : {0.5, 1.0, 2.0}) {
        attempt(raw, 10 * factor);
        attempt(fp16, 1000 * factor);
    }
    EXPECT_NEAR(recorded_history(store, {}, "hw").spread, std::log(2.0), 1e-9);
}

TEST_F(HistoryTest, WhatPassesBetweenAttemptsIsPartOfTheCost) {
    auto const campaign = store.begin_campaign(plan({raw, fp16}, 2), build(), "hw", false);
    auto const at = [](int second) { return fmt::format("2026-01-02T03:{:02}:{:02}.000Z", second / 60, second % 60); };
    // Starts 2 and 3 s after the end before, then a pause of more than a minute.
    int const starts[] = {0, 12, 25, 300};
    for (int i = 0; i < 4; ++i) {
        auto m = measurement(i % 2 == 0 ? raw : fp16, Status::ok, 0.5, i / 2);
        m.wall_ns = 10'000'000'000;
        m.started_utc = at(starts[i]);
        m.finished_utc = at(starts[i] + 10);
        store.ingest(campaign, {m});
    }
    auto measure = plan({}, 2).measure;
    auto const history = recorded_history(store, measure, "hw");
    EXPECT_NEAR(history.between_s, 2.5, 1e-3);
    EXPECT_NEAR(history.cells.at(raw.id).cost_s, 12.5, 1e-3);
    measure.timing = false;
    EXPECT_NEAR(recorded_history(store, measure, "hw").cells.at(raw.id).cost_s, 10, 1e-3);
}

}  // namespace
}  // namespace kvstone
