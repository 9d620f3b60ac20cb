#include "cluster/scheduler.hpp"

#include <limits>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "tests/cluster/fake_work.hpp"

namespace kvstone {
namespace {

/// Items of the given costs, at one place each or all at one.
std::vector<WorkItem> costing(std::vector<double> const& costs_s, bool one_place = true) {
    std::vector<WorkItem> items;
    for (std::size_t i = 0; i < costs_s.size(); ++i) {
        items.push_back(fake_item(static_cast<int>(i), "openmp", true, one_place ? 0 : static_cast<int>(i)));
        items.back().estimated_s = costs_s[i];
    }
    return items;
}

/// The numbers of all items in the order in which one worker gets them.
std::vector<int> order_for(Scheduler& scheduler, int worker) {
    std::vector<int> numbers;
    while (auto const* item = scheduler.deal(worker, 0)) {
        numbers.push_back(number_of(*item));
        scheduler.finish(worker, item->attempt_id);
    }
    return numbers;
}

TEST(Scheduler, DealsTheLongestFirst) {
    Scheduler scheduler(costing({1, 30, 2, 17, 16.5, 0.25}), 1);
    scheduler.join(1, fake_worker());
    EXPECT_EQ(order_for(scheduler, 1), (std::vector{1, 3, 4, 2, 0, 5}));
}

TEST(Scheduler, LongestFirstGoesOverAllPlacesByOctave) {
    // 30 and 17 are in one octave: these two go in plan order, as their places are equally far.
    Scheduler scheduler(costing({1, 17, 2, 30, 40, 0.25}, false), 1);
    scheduler.join(1, fake_worker());
    EXPECT_EQ(order_for(scheduler, 1), (std::vector{4, 1, 3, 2, 0, 5}));
}

TEST(Scheduler, ANodeKeepsToItsPlacesWithinAnOctaveAndComesBackToThem) {
    // Three places with a long and a short item each, and two nodes.
    std::vector<WorkItem> items;
    for (int i = 0; i < 6; ++i) {
        items.push_back(fake_item(i, "openmp", true, i % 3));
        items.back().estimated_s = i < 3 ? 10 : 1;
    }
    Scheduler scheduler(items, 1);
    scheduler.join(1, fake_worker("a"));
    scheduler.join(2, fake_worker("b"));
    auto const next = [&](int worker) {
        auto const* item = scheduler.deal(worker, 0);
        scheduler.finish(worker, item->attempt_id);
        return number_of(*item);
    };
    EXPECT_EQ(next(1), 0);
    EXPECT_EQ(next(2), 1);
    EXPECT_EQ(next(1), 2);
    // The short ones: a has places 2 and 0, b has place 1.
    EXPECT_EQ(next(2), 4);
    EXPECT_EQ(next(1), 5);
    EXPECT_EQ(next(1), 3);
}

/// An item that is pinned to one host, and its name and node.
WorkerInfo worker_at(std::string const& host, std::vector<std::string> backends = {"openmp"}) {
    return {host + "/boot", "class", std::move(backends), {{"name", host}}};
}

TEST(Scheduler, APinnedItemWaitsForItsHostAndIsFirstThere) {
    auto items = costing({5, 50, 3});
    items[2].pinned_host = "b";
    Scheduler scheduler(items, 1);
    scheduler.join(1, worker_at("a"));
    EXPECT_EQ(order_for(scheduler, 1), (std::vector{1, 0}));
    EXPECT_EQ(scheduler.queued(), 1u);
    scheduler.join(2, worker_at("b"));
    EXPECT_TRUE(scheduler.take_unserved().empty());
    EXPECT_EQ(scheduler.deal(1, 0), nullptr);
    EXPECT_EQ(order_for(scheduler, 2), std::vector{2});

    auto both = costing({50, 3});
    both[1].pinned_host = "b";
    Scheduler precedence(both, 1);
    precedence.join(2, worker_at("b"));
    EXPECT_EQ(order_for(precedence, 2), (std::vector{1, 0}));
}

TEST(Scheduler, APinIsLetGoWhereNobodyOnThatHostCanRunTheItem) {
    auto items = costing({5, 4, 3, 2});
    items[0].pinned_host = "absent";
    items[1].pinned_host = "b";
    items[2].pinned_host = "c";
    items[2].cell.backend = "cuda";
    Scheduler scheduler(items, 1);
    scheduler.join(1, worker_at("a", {"openmp", "cuda"}));
    scheduler.join(2, worker_at("b"));
    scheduler.join(3, worker_at("c"));
    EXPECT_TRUE(scheduler.take_unserved().empty());
    EXPECT_EQ(order_for(scheduler, 1), (std::vector{0, 2, 3})) << "but not what b can run";
    // b dies with the item, which no other worker may have until its pin is released.
    scheduler.deal(2, 0);
    EXPECT_EQ(scheduler.lose(2).fate, Scheduler::Fate::requeued);
    EXPECT_EQ(scheduler.deal(1, 0), nullptr);
    EXPECT_TRUE(scheduler.take_unserved().empty());
    EXPECT_EQ(order_for(scheduler, 1), std::vector{1});
}

TEST(Scheduler, DealsInPlanOrderWhereCostsAreEqual) {
    Scheduler scheduler(fake_items(20), 1);
    scheduler.join(1, fake_worker());
    for (int i = 0; i < 20; ++i) {
        auto const* item = scheduler.deal(1, i);
        ASSERT_NE(item, nullptr);
        EXPECT_EQ(number_of(*item), i);
        EXPECT_EQ(scheduler.deal(1, i), nullptr) << "it holds an item already";
        EXPECT_EQ(scheduler.finish(1, item->attempt_id), item);
    }
    EXPECT_EQ(scheduler.deal(1, 99), nullptr);
}

TEST(Scheduler, WorkersOfTwoNodesKeepToSourcesOfTheirOwn) {
    std::vector<WorkItem> items;
    for (int i = 0; i < 40; ++i) items.push_back(fake_item(i, "openmp", true, i % 4));
    Scheduler scheduler(items, 1);
    scheduler.join(1, fake_worker("a"));
    scheduler.join(2, fake_worker("b"));
    std::map<int, std::vector<std::string>> sources;
    for (int i = 0; i < 20; ++i) {
        for (int const worker : {1, 2}) {
            auto const* item = scheduler.deal(worker, 0);
            ASSERT_NE(item, nullptr);
            auto const source = item->cell.source.dump();
            if (sources[worker].empty() || sources[worker].back() != source) sources[worker].push_back(source);
            scheduler.finish(worker, item->attempt_id);
        }
    }
    // Four sources of ten items each over two nodes: each node reads two.
    EXPECT_EQ(sources[1].size(), 2u);
    EXPECT_EQ(sources[2].size(), 2u);
}

TEST(Scheduler, WorkersOfOneNodeShareItsSource) {
    std::vector<WorkItem> items;
    for (int i = 0; i < 20; ++i) items.push_back(fake_item(i, "openmp", true, i % 2));
    Scheduler scheduler(items, 1);
    scheduler.join(1, fake_worker("a"));
    scheduler.join(2, fake_worker("a"));
    std::vector<std::string> sources;
    for (int i = 0; i < 20; ++i) {
        auto const* item = scheduler.deal(1 + i % 2, 0);
        ASSERT_NE(item, nullptr);
        auto const source = item->cell.source.dump();
        if (sources.empty() || sources.back() != source) sources.push_back(source);
        scheduler.finish(1 + i % 2, item->attempt_id);
    }
    EXPECT_EQ(sources.size(), 2u);
}

TEST(Scheduler, ALeaseEndsAtItsTimeLimitAndSlack) {
    auto items = fake_items(2);
    items[0].measure.timeout_s = 10;
    items[1].measure.timeout_s = 0;  // none
    Scheduler scheduler(items, 5);
    scheduler.join(1, fake_worker());
    scheduler.join(2, fake_worker());
    scheduler.deal(1, 100);
    scheduler.deal(2, 100);
    EXPECT_EQ(scheduler.next_deadline_s(), 115);
    EXPECT_TRUE(scheduler.expired(114.9).empty());
    EXPECT_EQ(scheduler.expired(115), std::vector<int>{1});
    scheduler.lose(1);
    EXPECT_EQ(scheduler.next_deadline_s(), std::numeric_limits<double>::infinity());
}

TEST(Scheduler, ALostItemGetsANewAttemptIdAndTheOldOneIsNotTaken) {
    Scheduler scheduler(fake_items(1), 1);
    scheduler.join(1, fake_worker());
    scheduler.join(2, fake_worker());
    auto const first = scheduler.deal(1, 0)->attempt_id;
    EXPECT_EQ(scheduler.lose(1).fate, Scheduler::Fate::requeued);
    auto const* again = scheduler.deal(2, 0);
    ASSERT_NE(again, nullptr);
    EXPECT_NE(again->attempt_id, first);
    EXPECT_EQ(scheduler.finish(1, first), nullptr);
    EXPECT_EQ(scheduler.finish(2, first), nullptr);
    EXPECT_NE(scheduler.finish(2, again->attempt_id), nullptr);
}

TEST(Scheduler, TimingWaitsForSharedItemsOfItsNodeToEnd) {
    Scheduler scheduler({fake_item(0, "openmp", false), fake_item(1, "openmp", true), fake_item(2, "openmp", false)},
                        1);
    scheduler.join(1, fake_worker("a"));
    scheduler.join(2, fake_worker("a"));
    scheduler.join(3, fake_worker("a"));
    auto const* shared = scheduler.deal(1, 0);
    auto const* beside = scheduler.deal(2, 0);
    ASSERT_NE(beside, nullptr);
    EXPECT_FALSE(beside->measure.timing);
    EXPECT_EQ(scheduler.deal(3, 0), nullptr);
    scheduler.finish(1, shared->attempt_id);
    EXPECT_EQ(scheduler.deal(3, 0), nullptr);
    scheduler.finish(2, beside->attempt_id);
    EXPECT_NE(scheduler.deal(3, 0), nullptr);
}

TEST(Scheduler, TakesOutWhatNoPresentWorkerCanRunInPlanOrder) {
    Scheduler scheduler({fake_item(0, "cuda"), fake_item(1), fake_item(2, "arm"), fake_item(3, "cuda")}, 1);
    scheduler.join(1, fake_worker());
    auto const unserved = scheduler.take_unserved();
    ASSERT_EQ(unserved.size(), 3u);
    EXPECT_EQ(number_of(unserved[0]), 0);
    EXPECT_EQ(number_of(unserved[1]), 2);
    EXPECT_EQ(number_of(unserved[2]), 3);
    EXPECT_EQ(scheduler.queued(), 1u);
    EXPECT_EQ(scheduler.take_rest().size(), 1u);
    EXPECT_EQ(scheduler.queued(), 0u);
}

TEST(Scheduler, AttemptIdsAreThirtyTwoHexadecimalDigitsAndDiffer) {
    std::set<std::string> ids;
    for (int i = 0; i < 1000; ++i) {
        auto const id = new_attempt_id();
        EXPECT_EQ(id.size(), 32u);
        EXPECT_EQ(id.find_first_not_of("0123456789abcdef"), std::string::npos);
        ids.insert(id);
    }
    EXPECT_EQ(ids.size(), 1000u);
}

}  // namespace
}  // namespace kvstone
