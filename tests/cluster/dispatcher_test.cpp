#include "cluster/dispatcher.hpp"

#include <chrono>
#include <set>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cluster/local_cluster.hpp"

namespace kvstone {
namespace {

using testing::IsEmpty;

void nap() { std::this_thread::sleep_for(std::chrono::milliseconds(2)); }

class DispatcherAtRanks : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Ranks, DispatcherAtRanks, testing::Values(1, 2, 4, 9));

TEST_P(DispatcherAtRanks, EveryItemIsReportedOnceWithItsOwnFigure) {
    for (bool const timing : {false, true}) {
        LocalCluster local(GetParam());
        auto const outcome = local.run(fake_items(200, timing));
        EXPECT_EQ(outcome.ok, 200u);
        EXPECT_EQ(outcome.failed + outcome.skipped, 0u);
        EXPECT_FALSE(outcome.interrupted);
        EXPECT_THAT(outcome.missing, IsEmpty());
        EXPECT_THAT(local.twice, IsEmpty());
        ASSERT_EQ(local.results.size(), 200u);
        std::set<std::string> attempts;
        for (auto const& [number, measurement] : local.results) {
            EXPECT_EQ(measurement.figures.at(0).value, static_cast<double>(number));
            EXPECT_EQ(measurement.attempt_id.find_first_not_of("0123456789abcdef"), std::string::npos);
            EXPECT_EQ(measurement.attempt_id.size(), 32u);
            EXPECT_EQ(measurement.host, (Json{{"name", "host"}}));
            attempts.insert(measurement.attempt_id);
        }
        EXPECT_EQ(attempts.size(), 200u);
        EXPECT_EQ(local.aborted, 0);
    }
}

TEST_P(DispatcherAtRanks, AnExceptionOfTheMeasuringFunctionIsAnErrorRow) {
    LocalCluster local(GetParam());
    local.measure = [](int, WorkItem const& item) {
        if (number_of(item) == 7) throw std::runtime_error("seven is out");
        return fake_measurement(item);
    };
    auto const outcome = local.run(fake_items(20));
    EXPECT_EQ(outcome.ok, 19u);
    EXPECT_EQ(outcome.failed, 1u);
    auto const& failed = local.results.at(7);
    EXPECT_EQ(failed.status, Status::error);
    EXPECT_EQ(failed.reason, "seven is out");
    EXPECT_FALSE(failed.started_utc.empty());
    EXPECT_FALSE(failed.finished_utc.empty());
}

TEST_P(DispatcherAtRanks, ABackendNobodyOffersIsSkippedWithTheReason) {
    LocalCluster local(GetParam());
    auto items = fake_items(5);
    items.push_back(fake_item(5, "cuda"));
    auto const outcome = local.run(items);
    EXPECT_EQ(outcome.ok, 5u);
    EXPECT_EQ(outcome.skipped, 1u);
    auto const& skipped = local.results.at(5);
    EXPECT_EQ(skipped.status, Status::skipped);
    EXPECT_EQ(skipped.reason, "no rank offers backend 'cuda'; offered: openmp");
    EXPECT_EQ(skipped.attempt_id.size(), 32u);
}

TEST_P(DispatcherAtRanks, AStopLeavesTheRestMissingAndNothingTwice) {
    LocalCluster local(GetParam());
    std::atomic<bool> stop = false;
    local.callbacks.results = [&](std::vector<Measurement> const& measurements) {
        local.collect(measurements);
        if (local.results.size() >= 10) stop = true;
    };
    auto const outcome = local.run(fake_items(500), {.stop = &stop});
    EXPECT_TRUE(outcome.interrupted);
    EXPECT_GE(outcome.ok, 10u);
    // The results that came with the tenth, and the items dealt by then.
    EXPECT_LT(outcome.ok, 10u + 2 * static_cast<std::size_t>(GetParam()));
    std::set<int> numbers;
    for (auto const& item : outcome.missing) numbers.insert(number_of(item));
    for (auto const& [number, measurement] : local.results) numbers.insert(number);
    EXPECT_EQ(numbers.size(), 500u);
    EXPECT_EQ(outcome.missing.size() + local.results.size(), 500u);
    EXPECT_EQ(local.aborted, 0);
}

TEST_P(DispatcherAtRanks, WhatTheResultCallbackThrowsEndsTheRunAndComesOut) {
    LocalCluster local(GetParam());
    local.callbacks.results = [](std::vector<Measurement> const&) { throw SystemError("disk full"); };
    EXPECT_THAT([&] { local.run(fake_items(50)); }, testing::ThrowsMessage<SystemError>("disk full"));
    EXPECT_EQ(local.aborted, 0);
}

TEST_P(DispatcherAtRanks, ACoordinatorThatNeverRunsDismissesTheOthers) {
    InProcessWorld world(GetParam());
    std::vector<std::thread> threads;
    for (int rank = 1; rank < GetParam(); ++rank) {
        threads.emplace_back([&world, rank] { serve(*world.transport(rank), fake_worker(), fake_measurement); });
    }
    auto const transport = world.transport(0);
    {
        Coordinator const coordinator(*transport, fake_worker(), fake_measurement);
    }
    for (auto& thread : threads) thread.join();
}

TEST(Dispatcher, ALateListOfItemsFindsTheSameWorkers) {
    InProcessWorld world(3);
    std::vector<std::thread> threads;
    for (int rank = 1; rank < 3; ++rank) {
        threads.emplace_back([&world, rank] { serve(*world.transport(rank), fake_worker(), fake_measurement); });
    }
    auto const transport = world.transport(0);
    {
        Coordinator coordinator(*transport, fake_worker(), fake_measurement);
        Callbacks const callbacks{.results = [](std::vector<Measurement> const&) {}};
        EXPECT_EQ(coordinator.run(fake_items(10), callbacks).ok, 10u);
        EXPECT_EQ(coordinator.run({}, callbacks).ok, 0u);
        EXPECT_EQ(coordinator.run(fake_items(20), callbacks).ok, 20u);
    }
    for (auto& thread : threads) thread.join();
}

TEST(Dispatcher, ACellGoesOnlyToARankWithItsBackend) {
    LocalCluster local(4);
    local.workers[1].backends = {"openmp"};
    local.workers[2].backends = {"openmp", "cuda"};
    local.workers[3].backends = {"openmp", "arm"};
    local.measure = [](int rank, WorkItem const& item) {
        auto measurement = fake_measurement(item);
        measurement.reason = std::to_string(rank);
        return measurement;
    };
    std::vector<WorkItem> items;
    for (int i = 0; i < 60; ++i) items.push_back(fake_item(i, i % 3 == 0 ? "openmp" : i % 3 == 1 ? "cuda" : "arm"));
    EXPECT_EQ(local.run(items).ok, 60u);
    for (int i = 0; i < 60; ++i) {
        auto const& rank = local.results.at(i).reason;
        EXPECT_TRUE(i % 3 != 1 || rank == "2") << i << " went to " << rank;
        EXPECT_TRUE(i % 3 != 2 || rank == "3") << i << " went to " << rank;
    }
}

/// Runs on the ranks of two nodes at once, as seen by the measuring functions.
struct Overlap {
    std::map<std::string, std::atomic<int>> running;
    std::atomic<int> most_on_a_node = 0;
    std::atomic<int> timing_beside_another = 0;
    std::atomic<int> most_at_all = 0;

    Overlap() { running["a"] = running["b"] = 0; }
    Measurement measure(std::string const& node, WorkItem const& item) {
        int const here = ++running.at(node);
        raise(most_on_a_node, here);
        raise(most_at_all, running.at("a") + running.at("b"));
        if (item.measure.timing && here > 1) ++timing_beside_another;
        nap();
        if (item.measure.timing && running.at(node) > 1) ++timing_beside_another;
        --running.at(node);
        return fake_measurement(item);
    }
    static void raise(std::atomic<int>& most, int value) {
        int seen = most;
        while (value > seen && !most.compare_exchange_weak(seen, value)) {
        }
    }
};

Overlap& run_on_two_nodes(std::vector<WorkItem> items, Overlap& overlap, bool one_name_a_rank = false) {
    LocalCluster local(9);
    std::map<int, std::string> nodes;
    for (int rank = 1; rank < 9; ++rank) {
        nodes[rank] = rank % 2 == 0 ? "a" : "b";
        local.workers[rank].node = one_name_a_rank ? fmt::format("rank {}", rank) : nodes[rank];
    }
    auto const count = items.size();
    local.measure = [&](int rank, WorkItem const& item) { return overlap.measure(nodes.at(rank), item); };
    EXPECT_EQ(local.run(std::move(items)).ok, count);
    return overlap;
}

TEST(Dispatcher, TwoTimingCellsNeverRunOnOneNodeAtOnceAndNodesRunSideBySide) {
    Overlap overlap;
    run_on_two_nodes(fake_items(100, true), overlap);
    EXPECT_EQ(overlap.most_on_a_node, 1);
    EXPECT_EQ(overlap.most_at_all, 2);
    // The mutant: ranks that all claim nodes of their own do overlap, so the check above can fail.
    Overlap mutant;
    run_on_two_nodes(fake_items(100, true), mutant, true);
    EXPECT_GT(mutant.timing_beside_another, 0);
}

TEST(Dispatcher, SharedCellsOverlapAndNothingRunsBesideATimingCell) {
    Overlap shared;
    run_on_two_nodes(fake_items(100, false), shared);
    EXPECT_GT(shared.most_on_a_node, 1);

    Overlap mixed;
    std::vector<WorkItem> items;
    for (int i = 0; i < 100; ++i) items.push_back(fake_item(i, "openmp", i % 2 == 0, i / 8));
    run_on_two_nodes(items, mixed);
    EXPECT_EQ(mixed.timing_beside_another, 0);
}

TEST(Dispatcher, ProgressCountsUpToTheTotal) {
    LocalCluster local(3);
    std::vector<Progress> steps;
    local.callbacks.progress = [&](Progress const& progress) { steps.push_back(progress); };
    local.measure = [](int, WorkItem const& item) {
        auto measurement = fake_measurement(item);
        if (number_of(item) == 3) measurement.status = Status::crash;
        return measurement;
    };
    auto items = fake_items(10);
    items.push_back(fake_item(10, "cuda"));
    local.run(items);
    ASSERT_FALSE(steps.empty());
    std::size_t done = 0;
    for (auto const& step : steps) {
        EXPECT_GT(step.done, std::exchange(done, step.done));
        EXPECT_EQ(step.total, 11u);
    }
    EXPECT_EQ(done, 11u);
    EXPECT_EQ(steps.back().failed, 1u);
    EXPECT_EQ(steps.back().skipped, 1u);
    EXPECT_EQ(steps.back().left_s, 0.0);
}

TEST(Dispatcher, TimeLeftGoesByEstimates) {
    LocalCluster local(2);
    auto items = fake_items(4);
    for (int i = 0; i < 4; ++i) items[static_cast<std::size_t>(i)].estimated_s = 1 << i;
    std::vector<Progress> steps;
    local.callbacks.progress = [&](Progress const& progress) { steps.push_back(progress); };
    local.run(items);
    ASSERT_EQ(steps.size(), 4u);
    // 8 of 15 are done after the first, 12 after the second; by numbers, 3 times as long would be left.
    EXPECT_DOUBLE_EQ(steps[0].left_s.value(), steps[0].elapsed_s * 7 / 8);
    EXPECT_DOUBLE_EQ(steps[1].left_s.value(), steps[1].elapsed_s * 3 / 12);
    EXPECT_EQ(steps[3].left_s, 0.0);
}

TEST(Dispatcher, BytesThatAreNotTextArriveAsReplacements) {
    LocalCluster local(2);
    local.measure = [](int, WorkItem const& item) {
        auto measurement = fake_measurement(item);
        measurement.stderr_tail = "caf\xe9 \xff";
        return measurement;
    };
    EXPECT_EQ(local.run(fake_items(1)).ok, 1u);
    EXPECT_EQ(local.results.begin()->second.stderr_tail, "caf\uFFFD \uFFFD");
}

}  // namespace
}  // namespace kvstone
