#include "cluster/simulator.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "tests/cluster/fake_work.hpp"

namespace kvstone {
namespace {

/// Timing items of these costs, spread over places.
std::vector<WorkItem> costing(std::vector<double> const& costs_s, int places = 1) {
    std::vector<WorkItem> items;
    for (std::size_t i = 0; i < costs_s.size(); ++i) {
        WorkItem item;
        item.cell.source = static_cast<int>(i) % places;
        item.cell.backend = "openmp";
        item.estimated_s = costs_s[i];
        items.push_back(std::move(item));
    }
    return items;
}

/// Costs as estimated, and a coordinator that takes no time.
SimulationOptions const exact{.spread = 0, .attempt_s = 0, .transaction_s = 0};

double makespan_s(std::vector<double> const& costs_s, int nodes, SimulationOptions const& options = exact) {
    return Simulator(costing(costs_s), options).run(nodes).makespan_s;
}

TEST(Simulator, EqualCostsTakeAsManyRoundsAsItemsOverNodesRoundedUp) {
    for (int const nodes : {1, 2, 3, 7, 10, 11}) {
        auto const result = Simulator(costing(std::vector<double>(10, 4.0)), exact).run(nodes);
        int const rounds = (10 + nodes - 1) / nodes;
        EXPECT_DOUBLE_EQ(result.makespan_s, 4.0 * rounds) << nodes;
        EXPECT_DOUBLE_EQ(result.efficiency, 10.0 / (nodes * rounds)) << nodes;
        EXPECT_EQ(result.measured, 10u);
        EXPECT_EQ(result.missing + result.quarantined + result.lost_attempts, 0u);
    }
    EXPECT_EQ(makespan_s({}, 4), 0);
}

TEST(Simulator, ALongItemAtThePlansEndIsStartedFirst) {
    std::vector<double> costs(100, 1.0);
    costs.push_back(100);
    EXPECT_DOUBLE_EQ(makespan_s(costs, 2), 100);  // in the plan's order: 50 + 100
}

TEST(Simulator, LongestFirstIsAsBadAsItsBoundOnTheWorstListAndNoWorse) {
    // Graham's worst case: two each of 2m-1 ... m+1 and three of m take 4m - 1 where 3m would do.
    for (int const nodes : {2, 3, 4, 8}) {
        std::vector<double> costs(1, nodes);
        for (int cost = nodes; cost < 2 * nodes; ++cost) costs.insert(costs.end(), 2, cost);
        EXPECT_DOUBLE_EQ(makespan_s(costs, nodes), 4 * nodes - 1) << nodes;
    }
    // Whole runs of 1,000 s cut at random, so that the best is known: never above 4/3 - 1/(3m) of it.
    std::mt19937_64 chance(7);
    for (int trial = 0; trial < 200; ++trial) {
        int const nodes = 2 + trial % 15;
        std::vector<double> costs;
        for (int node = 0; node < nodes; ++node) {
            std::vector<double> cuts{0, 1000};
            for (int cut = 0; cut < 1 + trial % 5; ++cut) cuts.push_back(static_cast<double>(chance() % 1000));
            std::sort(cuts.begin(), cuts.end());
            for (std::size_t i = 1; i < cuts.size(); ++i)
                if (cuts[i] > cuts[i - 1]) costs.push_back(cuts[i] - cuts[i - 1]);
        }
        std::shuffle(costs.begin(), costs.end(), chance);
        EXPECT_LE(makespan_s(costs, nodes), 1000 * (4.0 / 3 - 1 / (3.0 * nodes)) + 1e-6) << trial;
    }
}

/// Log-uniform between 0.1 and 100 s.
std::vector<double> three_decades(std::size_t count) {
    std::mt19937_64 chance(11);
    std::uniform_real_distribution<double> exponent(-1, 2);
    std::vector<double> costs(count);
    for (auto& cost : costs) cost = std::pow(10, exponent(chance));
    return costs;
}

TEST(Simulator, AThousandNodesAreUsedWellOnAHundredThousandCells) {
    auto const items = costing(three_decades(100'000), 100);
    auto const result = Simulator(items, {}).run(1024);
    RecordProperty("efficiency", std::to_string(result.efficiency));
    EXPECT_EQ(result.measured, 100'000u);
    EXPECT_GE(result.efficiency, 0.95);
    // A coordinator that waits for the disk at every attempt cannot keep up with the short cells, which come at the end.
    SimulationOptions const slow{.attempt_s = coordinator_attempt_s + coordinator_transaction_s, .transaction_s = 0};
    EXPECT_LT(Simulator(items, slow).run(1024).efficiency, 0.95);
}

TEST(Simulator, ATransactionTakesAllThatCameWhileTheLastOneRan) {
    // The first node's report finds rank 0 free and is stored alone; the other 99 then share a transaction. So in each of
    // ten rounds of a second they report half a second apart: the last of the 99 at 10.5 s, stored at 11.
    SimulationOptions const options{.spread = 0, .attempt_s = 0, .transaction_s = 0.5};
    auto const result = Simulator(costing(std::vector<double>(1000, 1.0)), options).run(100);
    EXPECT_DOUBLE_EQ(result.makespan_s, 11);
    EXPECT_DOUBLE_EQ(result.coordinator_load, 20 * 0.5 / 11);
}

TEST(Simulator, ABusyCoordinatorSetsThePace) {
    auto const result =
        Simulator(costing(std::vector<double>(1000, 1.0)), {.spread = 0, .attempt_s = 0.1, .transaction_s = 0})
            .run(100);
    EXPECT_NEAR(result.makespan_s, 1100 * 0.1, 1.1);  // 100 hellos and 1,000 results
    EXPECT_NEAR(result.coordinator_load, 1, 0.02);
    EXPECT_NEAR(result.attempts_per_s, 1000 / result.makespan_s, 1e-9);
}

TEST(Simulator, LostNodesCostWhatTheirFailureRateSays) {
    // Without memory, each attempt of 360 s on nodes that live an hour is lost with the same chance.
    constexpr std::size_t count = 20'000;
    double const lost = 1 - std::exp(-0.1);
    auto const items = costing(std::vector<double>(count, 360.0));
    SimulationOptions const options{.spread = 0, .mtbf_h = 1, .back_min = 1, .attempt_s = 0, .transaction_s = 0};
    auto const result = Simulator(items, options).run(50);
    EXPECT_EQ(result.measured + result.quarantined, count);
    EXPECT_EQ(result.missing, 0u);
    EXPECT_NEAR(static_cast<double>(result.lost_attempts), count * lost * (1 + lost), 0.05 * count * lost);
    EXPECT_NEAR(static_cast<double>(result.quarantined), count * lost * lost, 0.2 * count * lost * lost);
    // Where it is lost, an attempt was at it for a little less than half of its time: M - c / (e^(c/M) - 1).
    double const each_s = 3600 - 360 / (std::exp(0.1) - 1);
    EXPECT_NEAR(result.lost_s / static_cast<double>(result.lost_attempts), each_s, 0.05 * each_s);
    EXPECT_LT(result.efficiency, Simulator(items, exact).run(50).efficiency);
}

TEST(Simulator, EveryItemEndsOnceHoweverManyNodesAreLost) {
    auto const items = costing(three_decades(2000), 10);
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        for (double const back_min : {0.0, 2.0}) {
            SimulationOptions const options{.mtbf_h = 0.2, .back_min = back_min, .seed = seed};
            auto const result = Simulator(items, options).run(16);
            EXPECT_EQ(result.measured + result.quarantined + result.missing, items.size()) << seed;
            EXPECT_TRUE(result.missing == 0 || back_min == 0) << seed;
            EXPECT_GT(result.lost_attempts, 0u) << seed;
            EXPECT_GE(result.lost_attempts, 2 * result.quarantined) << seed;
        }
    }
    // A lone node that dies with an item has no other to take it; the others wait until it is back.
    auto const lone = Simulator(items, {.mtbf_h = 1, .back_min = 1}).run(1);
    EXPECT_EQ(lone.missing, lone.lost_attempts);
    EXPECT_GT(lone.missing, 0u);
    EXPECT_EQ(lone.measured + lone.missing, items.size());
    // Nodes that never come back leave the rest undone.
    auto const end = Simulator(items, {.mtbf_h = 0.01}).run(4);
    EXPECT_GT(end.missing, 1000u);
    EXPECT_EQ(end.measured + end.quarantined + end.missing, items.size());
}

TEST(Simulator, OneSeedGivesOneResult) {
    auto const items = costing(three_decades(500));
    auto const run = [&](std::uint64_t seed) {
        return Simulator(items, {.mtbf_h = 1, .back_min = 1, .seed = seed}).run(8);
    };
    EXPECT_EQ(run(3).makespan_s, run(3).makespan_s);
    EXPECT_EQ(run(3).lost_s, run(3).lost_s);
    EXPECT_NE(run(3).makespan_s, run(4).makespan_s);
}

TEST(Simulator, PinnedItemsWaitForTheirHostAlone) {
    auto items = costing(std::vector<double>(8, 10.0));
    for (auto& item : items) item.pinned_host = "one";
    EXPECT_DOUBLE_EQ(Simulator(items, exact).run(4).makespan_s, 80);
    for (std::size_t i = 0; i < items.size(); ++i) items[i].pinned_host = i < 4 ? "one" : "two";
    EXPECT_DOUBLE_EQ(Simulator(items, exact).run(4).makespan_s, 40);
    // A second host that is not among the nodes: its items go anywhere.
    EXPECT_DOUBLE_EQ(Simulator(items, exact).run(1).makespan_s, 80);
}

}  // namespace
}  // namespace kvstone
