#include "cluster/scheduler.hpp"

#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "tests/cluster/fake_work.hpp"

namespace kvstone {
namespace {

TEST(Scheduler, DealsInPlanOrderToASingleWorker) {
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
