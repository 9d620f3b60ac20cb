// A stop at every state of an attempt: waiting, dealt, running, its result written but not taken.

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cluster/local_cluster.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone {
namespace {

using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

/// Attempts of a minute, of which cancel() ends all.
class LongWork {
  public:
    Measurement measure(WorkItem const& item) {
        std::unique_lock lock(mutex_);
        ++running_;
        changed_.notify_all();
        bool const cut = changed_.wait_for(lock, std::chrono::minutes(1), [&] { return cancelled_; });
        auto measurement = fake_measurement(item);
        if (cut) measurement.status = Status::error;
        return measurement;
    }
    void cancel() {
        std::lock_guard const lock(mutex_);
        cancelled_ = true;
        changed_.notify_all();
    }
    void wait_until_running() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return running_ > 0; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    int running_ = 0;
    bool cancelled_ = false;
};

struct Interruption : testing::Test {
    std::string folder() const { return base / "spool"; }
    /// The attempts that a later run would find.
    SpoolContent left() const {
        SpoolContent all;
        collect_spools(
            folder(),
            [&](std::string const&, SpoolContent const& content) {
                all = content;
                return SpoolFate{};
            },
            [](std::string const&) {});
        return all;
    }

    ScratchFolder const base;
    std::atomic<bool> stop = false;
    std::atomic<bool> hurry = false;
};

TEST_F(Interruption, OfARunningAttemptLeavesNoTraceAndDoesNotWaitForItsEnd) {
    for (bool const second_signal : {false, true}) {
        stop = hurry = false;
        LongWork work;
        LocalCluster local(1);
        local.measure = [&](int, WorkItem const& item) { return work.measure(item); };
        std::thread user([&] {
            work.wait_until_running();
            stop = true;
            hurry = second_signal;
        });
        Spool spool(folder(), "n1");
        auto const outcome = local.run(
            fake_items(3),
            {.stop = &stop, .hurry = &hurry, .grace_s = second_signal ? 3600.0 : 0.5, .spool = &spool, .cancel = [&] {
                 work.cancel();
             }});
        user.join();
        EXPECT_TRUE(outcome.interrupted);
        EXPECT_THAT(outcome.missing, SizeIs(3));
        EXPECT_THAT(local.results, IsEmpty());
        EXPECT_EQ(local.aborted, 0);
        EXPECT_FALSE(std::filesystem::exists(folder()));
    }
}

TEST_F(Interruption, BeforeAnythingIsDealtBeginsNothing) {
    stop = true;
    LocalCluster local(1);
    local.measure = [](int, WorkItem const&) -> Measurement { throw std::logic_error("begun"); };
    auto const outcome = local.run(fake_items(3), {.stop = &stop});
    EXPECT_TRUE(outcome.interrupted);
    EXPECT_THAT(outcome.missing, SizeIs(3));
    EXPECT_THAT(local.results, IsEmpty());
}

TEST_F(Interruption, AnAttemptThatEndsWithinTheGraceIsReported) {
    LocalCluster local(1);
    local.measure = [&](int, WorkItem const& item) {
        stop = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(500));
        return fake_measurement(item);
    };
    Spool spool(folder(), "n1");
    auto const outcome = local.run(
        fake_items(3), {.stop = &stop, .grace_s = 600, .spool = &spool, .cancel = [] { FAIL() << "cancelled"; }});
    EXPECT_EQ(outcome.ok, 1u);
    EXPECT_THAT(outcome.missing, SizeIs(2));
    EXPECT_FALSE(std::filesystem::exists(folder()));
}

TEST_F(Interruption, AResultThatNobodyTookStaysOnDisk) {
    // Rank 0 by hand: it never takes the second result.
    for (bool const told : {false, true}) {
        std::filesystem::remove_all(folder());
        InProcessWorld world(2);
        Spool spool(folder(), "n1");
        std::thread worker([&] { serve(*world.transport(1), fake_worker(), fake_measurement, {.spool = &spool}); });
        auto const rank0 = world.transport(0);
        auto const next = [&] { return decode_message(rank0->receive(60).value().body); };
        next();
        for (std::string const id : {"a1", "a2"}) {
            auto item = fake_item(id == "a1" ? 1 : 2);
            item.attempt_id = id;
            item.campaign = "c";
            rank0->send(1, encode_message(
                               Deal{item, id == "a1" ? std::vector<std::string>{} : std::vector<std::string>{"a1"}}));
            EXPECT_EQ(std::get<Result>(next()).measurement.attempt_id, id);
        }
        rank0->send(1, encode_message(told ? Stop{{"a2"}} : Stop{}));
        EXPECT_TRUE(std::holds_alternative<Goodbye>(next()));
        worker.join();
        EXPECT_EQ(std::filesystem::exists(folder()), !told);
    }
}

TEST_F(Interruption, AStopWhileTheDatabaseIsBusyKeepsWhatCameMeanwhile) {
    LocalCluster local(2);
    local.callbacks.results = [&](std::vector<Measurement> const& measurements) {
        stop = true;
        std::this_thread::sleep_for(std::chrono::milliseconds(300));  // the next result is written meanwhile
        local.collect(measurements);
    };
    std::set<std::string> measured;
    local.measure = [&](int, WorkItem const& item) {
        measured.insert(item.attempt_id);
        return fake_measurement(item);
    };
    local.run(fake_items(9), {.stop = &stop});
    std::set<std::string> reported;
    for (auto const& [number, measurement] : local.results) reported.insert(measurement.attempt_id);
    EXPECT_EQ(reported, measured);
}

TEST_F(Interruption, ARankThatWasToldToEndHandsItsItemBackWithoutALoss) {
    InProcessWorld world(3);
    LongWork work;
    std::atomic<bool> rank_1_stops = false;
    std::vector<std::thread> threads;
    threads.emplace_back([&] {
        serve(*world.transport(1), fake_worker("n1"), [&](WorkItem const& item) { return work.measure(item); },
              {.stop = &rank_1_stops, .hurry = &rank_1_stops, .cancel = [&] { work.cancel(); }});
    });
    threads.emplace_back([&] {
        work.wait_until_running();
        rank_1_stops = true;
        serve(*world.transport(2), fake_worker("n2"), fake_measurement);
    });
    auto const transport = world.transport(0);
    std::vector<std::string> reported;
    int lost = 0;
    {
        Coordinator coordinator(*transport, fake_worker(), fake_measurement);
        auto const outcome = coordinator.run(fake_items(4), {.results =
                                                                 [&](std::vector<Measurement> const& some) {
                                                                     for (auto const& one : some)
                                                                         reported.push_back(one.cell_id);
                                                                 },
                                                             .lost = [&](Measurement const&) { ++lost; }});
        EXPECT_EQ(outcome.ok, 4u);
        EXPECT_FALSE(outcome.interrupted);
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(lost, 0);
    EXPECT_EQ((std::set<std::string>(reported.begin(), reported.end()).size()), 4u);
}

TEST_F(Interruption, AnAttemptThatASharedSignalEndedFirstIsNotMade) {
    // The attempt dies of the signal, and the flag is set a while later.
    LocalCluster local(1);
    std::thread late;
    local.measure = [&](int, WorkItem const& item) {
        if (late.joinable()) return fake_measurement(item);  // dealt before the flag was seen
        late = std::thread([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(150));
            stop = true;
        });
        auto measurement = fake_measurement(item);
        measurement.status = Status::crash;
        measurement.signal = SIGTERM;
        return measurement;
    };
    auto const outcome = local.run(fake_items(2), {.stop = &stop});
    late.join();
    EXPECT_TRUE(outcome.interrupted);
    EXPECT_EQ(outcome.failed, 0u);
    EXPECT_THAT(outcome.missing, SizeIs(2));
    EXPECT_THAT(left().under_way, IsEmpty());
}

TEST_F(Interruption, ASuspectIsDealtLast) {
    LocalCluster local(1);
    std::vector<int> order;
    local.measure = [&](int, WorkItem const& item) {
        order.push_back(number_of(item));
        return fake_measurement(item);
    };
    auto items = fake_items(6);
    for (auto& item : items) item.estimated_s = number_of(item) == 4 ? 1000 : 1 + number_of(item);
    items[4].suspected = true;
    local.run(items);
    ASSERT_THAT(order, SizeIs(6));
    EXPECT_EQ(order.back(), 4);
}

}  // namespace
}  // namespace kvstone
