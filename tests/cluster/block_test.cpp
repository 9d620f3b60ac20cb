// Blocks: calls that one worker makes in their order.

#include <chrono>
#include <limits>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "cluster/scheduler.hpp"
#include "tests/cluster/local_cluster.hpp"

namespace kvstone {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::size_t calls_of_a_block = 4;

void nap(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

/// Of sources in turns, and of a backend that no rank offers: other programs are called.
std::vector<WorkItem> fake_blocks(int count) {
    std::vector<WorkItem> items;
    for (int i = 0; i < count; ++i) {
        items.push_back(fake_item(i, "cuda", true, i % 3));
        for (char const* const call : {"A", "B", "B", "A"}) items.back().calls.push_back(call);
    }
    return items;
}

/// A call as it was made: "RANK BLOCK CALL".
struct Made {
    int rank = 0;
    int block = 0;
    std::string call;
};

struct Blocks : testing::Test {
    /// The measuring function of every worker: notes its item, and answers with it.
    Measurement make(int rank, WorkItem const& item) {
        nap(1);
        std::lock_guard const lock(mutex);
        log.push_back({rank, number_of(item), item.call.get<std::string>()});
        auto measurement = fake_measurement(item);
        measurement.reason = fmt::format("{} {}", rank, log.back().call);
        return measurement;
    }
    Outcome run(LocalCluster& local, int count, DispatchOptions options = {}) {
        local.callbacks.block = [&](std::size_t block, std::vector<Measurement> const& made) {
            EXPECT_TRUE(whole.emplace(block, made).second) << block << " is reported again";
        };
        return local.run(fake_blocks(count), std::move(options));
    }
    /// Each was made from its first call to its last by one worker.
    void expect_whole(std::size_t count) const {
        ASSERT_THAT(whole, SizeIs(count));
        for (auto const& [block, made] : whole) {
            ASSERT_THAT(made, SizeIs(calls_of_a_block));
            auto const rank = made[0].reason.substr(0, made[0].reason.find(' '));
            for (std::size_t i = 0; i < calls_of_a_block; ++i) {
                EXPECT_EQ(made[i].reason, rank + " " + "ABBA"[i]) << block;
                EXPECT_EQ(made[i].attempt_id.size(), 32U);
                EXPECT_EQ(made[i].figures.at(0).value, static_cast<double>(block));
            }
        }
    }

    std::mutex mutex;
    std::vector<Made> log;
    std::map<std::size_t, std::vector<Measurement>> whole;
};

TEST_F(Blocks, ABlockStaysWithItsWorkerAndOneAtATimeIsMadeOnANode) {
    LocalCluster local(5);
    for (int rank = 1; rank < 5; ++rank) local.workers[rank].node = rank % 2 == 0 ? "a" : "b";
    local.measure = [&](int rank, WorkItem const& item) { return make(rank, item); };
    auto const outcome = run(local, 30);
    EXPECT_EQ(outcome.ok, 30U);
    EXPECT_THAT(outcome.missing, IsEmpty());
    EXPECT_THAT(local.results, IsEmpty()) << "reported as blocks alone";
    expect_whole(30);
    std::map<int, std::vector<Made>> by_node;
    for (auto const& made : log) by_node[made.rank % 2].push_back(made);
    EXPECT_THAT(by_node, SizeIs(2));
    for (auto const& [node, made] : by_node)
        for (std::size_t i = 0; i < made.size(); ++i) {
            auto const& first = made[i - i % calls_of_a_block];
            EXPECT_EQ(made[i].block, first.block) << "call " << i;
            EXPECT_EQ(made[i].rank, first.rank) << "call " << i;
        }
}

TEST_F(Blocks, GoInTheirOrderFromAllSources) {
    LocalCluster local(2);
    local.measure = [&](int rank, WorkItem const& item) { return make(rank, item); };
    run(local, 9);
    ASSERT_THAT(log, SizeIs(9 * calls_of_a_block));
    for (std::size_t i = 0; i < log.size(); ++i) EXPECT_EQ(log[i].block, static_cast<int>(i / calls_of_a_block));
}

TEST_F(Blocks, AlsoInOneProcessAndBesideItems) {
    LocalCluster local(1);
    local.measure = [&](int rank, WorkItem const& item) {
        return item.call.is_null() ? fake_measurement(item) : make(rank, item);
    };
    local.callbacks.block = [&](std::size_t block, std::vector<Measurement> const& made) { whole[block] = made; };
    auto items = fake_blocks(2);
    items.push_back(fake_item(2));
    std::vector<Progress> steps;
    local.callbacks.progress = [&](Progress const& progress) { steps.push_back(progress); };
    EXPECT_EQ(local.run(items).ok, 3U);
    expect_whole(2);
    EXPECT_THAT(local.results, SizeIs(1));
    EXPECT_EQ(steps.back().done, 3U);
    EXPECT_EQ(steps.back().total, 3U);
}

TEST_F(Blocks, OfALostWorkerAreMadeAnewAsAWhole) {
    LocalCluster local(4);
    for (int rank = 1; rank < 4; ++rank) local.workers[rank].node = fmt::format("n{}", rank);
    std::atomic<int> made_by_two = 0;
    local.measure = [&](int rank, WorkItem const& item) {
        if (rank == 2 && ++made_by_two == 7) local.world.lose(2, "pulled the plug");
        return make(rank, item);
    };
    auto const outcome = run(local, 30, {.loss_delay_s = 0.1});
    EXPECT_EQ(outcome.ok, 30U);
    expect_whole(30);
    EXPECT_THAT(local.notices, Contains(HasSubstr("rank 2 is lost: pulled the plug")));
    EXPECT_THAT(local.notices, Contains(HasSubstr("its block is measured anew")));
    EXPECT_EQ(local.aborted, 0);
}

TEST_F(Blocks, OfASilentWorkerAreMadeAnewAsAWholeAndItsLateCallIsNotCounted) {
    LocalCluster local(3);
    local.workers[2].node = "another";
    std::atomic<int> made_by_one = 0;
    local.measure = [&](int rank, WorkItem const& item) {
        if (rank == 1 && ++made_by_one == 3) nap(800);
        nap(10);
        return make(rank, item);
    };
    local.callbacks.block = [&](std::size_t block, std::vector<Measurement> const& made) { whole[block] = made; };
    auto items = fake_blocks(40);
    for (auto& item : items) item.measure.timeout_s = 0.2;
    EXPECT_EQ(local.run(items, {.loss_delay_s = 0.1, .lease_slack_s = 0.2}).ok, 40U);
    expect_whole(40);
    EXPECT_THAT(local.notices, Contains("rank 1 did not report before its lease ended"));
    EXPECT_THAT(local.notices, Contains(HasSubstr("its block is measured anew")));
    EXPECT_THAT(local.notices, Contains(HasSubstr("too late: not counted")));
}

TEST_F(Blocks, ThatTakeTwoWorkersDownAreNodeLostWithEveryCall) {
    LocalCluster local(4);
    for (int rank = 1; rank < 4; ++rank) local.workers[rank].node = fmt::format("n{}", rank);
    local.measure = [&](int rank, WorkItem const& item) {
        if (number_of(item) == 3 && item.call == "B") local.world.lose(rank, "killed by its block");
        return make(rank, item);
    };
    auto const outcome = run(local, 9, {.loss_delay_s = 0.1});
    EXPECT_EQ(outcome.ok, 8U);
    EXPECT_EQ(outcome.failed, 1U);
    ASSERT_THAT(whole.at(3), SizeIs(calls_of_a_block));
    for (auto const& made : whole.at(3)) EXPECT_EQ(made.status, Status::node_lost);
    whole.erase(3);
    expect_whole(8);
}

TEST_F(Blocks, WithNonsenseInTheirMidstGoOn) {
    InProcessWorld world(2);
    std::thread worker([&] {
        auto const transport = world.transport(1);
        transport->send(0, encode_message(Hello{fake_worker()}));
        for (int calls = 0;; ++calls) {
            auto const content = decode_message(transport->receive(10).value().body);
            if (std::holds_alternative<Stop>(content)) break;
            auto const& item = std::get<Deal>(content).item;
            auto measurement = fake_measurement(item);
            measurement.attempt_id = item.attempt_id;
            transport->send(0, calls == 1 ? "nonsense" : encode_message(Result{measurement}));
        }
        transport->send(0, encode_message(Goodbye{}));
    });
    auto const transport = world.transport(0);
    {
        Coordinator coordinator(*transport, fake_worker(), fake_measurement);
        auto const outcome = coordinator.run(
            fake_blocks(1),
            {.results = {}, .block = [&](std::size_t block, auto const& made) { whole[block] = made; }});
        EXPECT_EQ(outcome.failed, 1U);
    }
    worker.join();
    ASSERT_THAT(whole[0], SizeIs(calls_of_a_block));
    for (std::size_t i = 0; i < calls_of_a_block; ++i)
        EXPECT_EQ(whole[0][i].status, i == 1 ? Status::error : Status::ok) << i;
}

TEST_F(Blocks, NobodyBeginsOnceItIsSaidThatNoneGoesOn) {
    LocalCluster local(3);
    local.workers[2].node = "another";
    local.measure = [&](int rank, WorkItem const& item) { return make(rank, item); };
    local.callbacks.go_on = [&] { return whole.size() < 5; };
    auto const outcome = run(local, 30);
    EXPECT_FALSE(outcome.interrupted);
    EXPECT_GE(whole.size(), 5U);
    EXPECT_LE(whole.size(), 6U) << "what was begun by then";
    EXPECT_EQ(outcome.missing.size() + whole.size(), 30U);
    expect_whole(whole.size());
    EXPECT_EQ(log.size(), whole.size() * calls_of_a_block);
}

TEST_F(Blocks, ThatAreInterruptedAreMissingAsAWhole) {
    for (int const ranks : {1, 3}) {
        LocalCluster local(ranks);
        std::atomic<bool> stop = false;
        std::atomic<int> calls = 0;
        log.clear();
        whole.clear();
        local.measure = [&](int rank, WorkItem const& item) {
            if (++calls == 2) stop = true;
            if (calls > 2) nap(500);  // beyond the coordinator's next look at the flag
            return make(rank, item);
        };
        auto const outcome = run(local, 5, {.stop = &stop});
        EXPECT_TRUE(outcome.interrupted);
        EXPECT_THAT(whole, IsEmpty());
        EXPECT_THAT(outcome.missing, SizeIs(5));
        EXPECT_EQ(local.aborted, 0);
    }
}

bool of_one_class(WorkerInfo const& first, WorkerInfo const& worker) {
    return first.hardware_class == worker.hardware_class;
}

TEST_F(Blocks, AreKeptFromOtherHardwareWithANotice) {
    LocalCluster local(4);
    local.workers[2].hardware_class = "other";
    local.measure = [&](int rank, WorkItem const& item) { return make(rank, item); };
    EXPECT_EQ(run(local, 12, {.alike = of_one_class}).ok, 12U);
    expect_whole(12);
    for (auto const& made : log) EXPECT_NE(made.rank, 2);
    EXPECT_THAT(local.notices,
                Contains("rank 2 is left out: its hardware class other differs from class, the first rank's").Times(1));
}

TEST_F(Blocks, GoByTheHardwareOfTheLowestRankHoweverLateItIs) {
    InProcessWorld world(3);
    std::vector<std::thread> threads;
    for (int const rank : {1, 2})
        threads.emplace_back([&, rank] {
            auto info = fake_worker(fmt::format("n{}", rank));
            info.hardware_class = fmt::format("class {}", rank);
            if (rank == 1) nap(300);
            serve(*world.transport(rank), info, [&](WorkItem const& item) { return make(rank, item); });
        });
    auto const transport = world.transport(0);
    {
        Coordinator coordinator(*transport, fake_worker(), fake_measurement, {.alike = of_one_class});
        for (int run = 0; run < 2; ++run) {
            auto const outcome = coordinator.run(
                fake_blocks(3), {.results = {}, .block = [&](std::size_t, std::vector<Measurement> const&) {}});
            EXPECT_EQ(outcome.ok, 3U);
            EXPECT_EQ(coordinator.nodes(), 1U);
        }
        EXPECT_THAT(coordinator.dismiss(), IsEmpty());
    }
    for (auto& thread : threads) thread.join();
    for (auto const& made : log) EXPECT_EQ(made.rank, 1);
}

TEST_F(Blocks, WaitForNobodyWhoFailsBeforeAllHaveMet) {
    using Clock = std::chrono::steady_clock;
    for (bool const others_are_there : {true, false}) {
        auto const start = Clock::now();
        LocalCluster local(3);
        local.world.lose(1, "cannot load its library");
        if (!others_are_there) local.world.lose(2, "cannot load its library");
        local.measure = [&](int rank, WorkItem const& item) { return make(rank, item); };
        whole.clear();
        auto const outcome = run(local, 3, {.alike = of_one_class});
        EXPECT_EQ(outcome.ok, others_are_there ? 3U : 0U);
        EXPECT_EQ(outcome.missing.size(), others_are_there ? 0U : 3U);
        EXPECT_LT(std::chrono::duration<double>(Clock::now() - start).count(), 2);
        EXPECT_EQ(local.aborted, 0);
    }
}

TEST_F(Blocks, HaveALeaseOfItsOwnForEachCall) {
    auto items = fake_blocks(1);
    items[0].measure.timeout_s = 10;
    Scheduler scheduler(items, 5);
    scheduler.join(1, fake_worker());
    scheduler.join(2, fake_worker());
    Measurement made;
    made.attempt_id = scheduler.deal(1, 100)->attempt_id;
    EXPECT_EQ(scheduler.next_deadline_s(), 115);
    for (int call = 1; call < 4; ++call) {
        auto const* item = scheduler.next_call(1, made, 100 + call);
        ASSERT_NE(item, nullptr);
        EXPECT_EQ(item->call, std::string(1, "ABBA"[call]));
        EXPECT_EQ(scheduler.next_deadline_s(), 115 + call);
        EXPECT_EQ(scheduler.next_call(1, made, 0), nullptr) << "that id was of the call before";
        EXPECT_EQ(scheduler.deal(2, 0), nullptr) << "its node is taken";
        EXPECT_NE(item->attempt_id, made.attempt_id);
        made.attempt_id = item->attempt_id;
    }
    EXPECT_EQ(scheduler.next_call(1, made, 0), nullptr) << "it was the last";
    EXPECT_THAT(scheduler.leases().at(1).made, SizeIs(3));
    EXPECT_EQ(scheduler.lose(1).fate, Scheduler::Fate::requeued);
    EXPECT_EQ(scheduler.next_deadline_s(), std::numeric_limits<double>::infinity());
    EXPECT_EQ(scheduler.deal(2, 0)->call, "A") << "from the first call on";
}

}  // namespace
}  // namespace kvstone
