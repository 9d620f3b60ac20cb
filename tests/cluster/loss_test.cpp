// Ranks that die, fall silent or talk nonsense.

#include <atomic>
#include <chrono>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/cluster/local_cluster.hpp"

namespace kvstone {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

void nap(int milliseconds) { std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds)); }

TEST(Loss, ItemsOfADeadRankAreMeasuredByTheOthers) {
    LocalCluster local(4);
    std::atomic<int> measured_by_two = 0;
    local.measure = [&](int rank, WorkItem const& item) {
        if (rank == 2 && ++measured_by_two == 3) local.world.lose(2, "pulled the plug");
        nap(1);
        return fake_measurement(item);
    };
    auto const outcome = local.run(fake_items(60));
    EXPECT_EQ(outcome.ok, 60u);
    EXPECT_THAT(outcome.missing, IsEmpty());
    EXPECT_THAT(local.twice, IsEmpty());
    EXPECT_THAT(local.notices, Contains(HasSubstr("rank 2 is lost: pulled the plug")));
    EXPECT_EQ(local.aborted, 0);
}

TEST(Loss, WithTheLastRankGoneItsItemIsNodeLostAndTheRestIsMissing) {
    LocalCluster local(2);
    local.measure = [&](int, WorkItem const& item) {
        if (number_of(item) == 4) local.world.lose(1, "pulled the plug");
        return fake_measurement(item);
    };
    auto const outcome = local.run(fake_items(10));
    EXPECT_EQ(outcome.ok, 4u);
    EXPECT_EQ(outcome.failed, 1u);
    EXPECT_EQ(outcome.missing.size(), 5u);
    EXPECT_EQ(local.results.at(4).status, Status::node_lost);
    EXPECT_THAT(local.results.at(4).reason, HasSubstr("pulled the plug"));
    EXPECT_FALSE(outcome.interrupted);
}

TEST(Loss, AnItemThatTakesTwoRanksDownIsGivenUpAndTheOthersGoOn) {
    LocalCluster local(6);
    local.measure = [&](int rank, WorkItem const& item) {
        if (number_of(item) == 5) local.world.lose(rank, "killed by its item");
        return fake_measurement(item);
    };
    auto const outcome = local.run(fake_items(40));
    EXPECT_EQ(outcome.ok, 39u);
    EXPECT_EQ(outcome.failed, 1u);
    EXPECT_EQ(local.results.at(5).status, Status::node_lost);
}

TEST(Loss, ASilentRanksItemIsMeasuredAgainAndItsLateResultIsNotCounted) {
    LocalCluster local(3);
    std::atomic<bool> slept = false;
    local.measure = [&](int rank, WorkItem const& item) {
        if (rank == 1 && !slept.exchange(true)) {
            nap(400);
        } else {
            nap(10);
        }
        return fake_measurement(item);
    };
    auto items = fake_items(100);
    for (auto& item : items) item.measure.timeout_s = 0.1;
    auto const outcome = local.run(items, {.lease_slack_s = 0.1});
    EXPECT_EQ(outcome.ok, 100u);
    EXPECT_THAT(local.twice, IsEmpty());
    EXPECT_THAT(local.notices, Contains(HasSubstr("rank 1 did not report before its lease ended")));
    EXPECT_THAT(local.notices, Contains(HasSubstr("too late: not counted")));
}

TEST(Loss, ARankThatNeverOffersItselfIsNotWaitedForForEver) {
    InProcessWorld world(3);
    std::atomic<int> aborted = 0;
    std::thread worker([&] { serve(*world.transport(1), fake_worker(), fake_measurement); });
    auto const transport = world.transport(0);
    Outcome outcome;
    std::vector<std::string> notices;
    {
        Coordinator coordinator(*transport, fake_worker(), fake_measurement, {.hello_timeout_s = 0.2});
        auto items = fake_items(5);
        items.push_back(fake_item(5, "cuda"));
        outcome = coordinator.run(items, {.results = [](std::vector<Measurement> const&) {},
                                          .progress = {},
                                          .notice = [&](std::string const& text) { notices.push_back(text); }});
        world.lose(2, "was never there");  // or the goodbye would be waited for
    }
    worker.join();
    EXPECT_EQ(outcome.ok, 5u);
    EXPECT_EQ(outcome.missing.size(), 1u);  // rank 2 might have had the device: that is not known
    EXPECT_THAT(notices, Contains("rank 2 did not offer itself in time"));
    EXPECT_EQ(aborted, 0);
}

TEST(Loss, AWorkerWithoutItsCoordinatorThrows) {
    InProcessWorld world(2);
    world.lose(0, "gone");
    EXPECT_THROW(serve(*world.transport(1), fake_worker(), fake_measurement), RankLost);
}

TEST(Loss, AnInterruptedRunDoesNotWaitForARankThatGoesOnMeasuring) {
    LocalCluster local(3);
    std::atomic<bool> stop = false;
    std::atomic<bool> release = false;
    local.measure = [&](int rank, WorkItem const& item) {
        if (rank == 1) {
            stop = true;
            while (local.aborted == 0 && !release) nap(1);
        }
        return fake_measurement(item);
    };
    auto const outcome = local.run(fake_items(50), {.stop = &stop, .grace_s = 0.3});
    EXPECT_TRUE(outcome.interrupted);
    EXPECT_EQ(outcome.missing.size() + local.results.size(), 50u);
    EXPECT_EQ(local.aborted, 130);
    release = true;
}

TEST(Loss, AFailureAfterTheStopIsMissingAndWhatStandsIsKept) {
    LocalCluster local(3);
    std::atomic<bool> stop = false;
    std::atomic<int> running = 0;
    local.measure = [&](int rank, WorkItem const& item) {
        ++running;
        while (running < 2) nap(1);
        stop = true;
        nap(400);  // beyond the coordinator's next look at the flag
        auto measurement = fake_measurement(item);
        if (rank == 1) measurement.status = Status::crash;
        return measurement;
    };
    auto const outcome = local.run(fake_items(4), {.stop = &stop});
    EXPECT_EQ(outcome.ok, 1u);
    EXPECT_EQ(outcome.failed, 0u);
    EXPECT_EQ(outcome.missing.size(), 3u);
}

TEST(Loss, ARankThatDiesAfterTheStopCountsAsNoLoss) {
    LocalCluster local(3);
    std::atomic<bool> stop = false;
    std::vector<Measurement> lost;
    local.callbacks.lost = [&](Measurement const& measurement) { lost.push_back(measurement); };
    local.measure = [&](int rank, WorkItem const& item) {
        if (rank == 1) {
            stop = true;
            nap(50);
            local.world.lose(1, "killed with the job");
        }
        nap(100);
        return fake_measurement(item);
    };
    auto const outcome = local.run(fake_items(6), {.stop = &stop, .loss_delay_s = 0});
    EXPECT_TRUE(outcome.interrupted);
    EXPECT_THAT(lost, IsEmpty());
    for (auto const& [number, measurement] : local.results) EXPECT_EQ(measurement.status, Status::ok);
    EXPECT_EQ(outcome.missing.size() + local.results.size(), 6u);
}

TEST(Loss, ALossCountsOnlyWhereTheCoordinatorLivesOn) {
    // Whatever kills a whole job kills its ranks one after the other: here rank 0 is interrupted right after a loss.
    for (int const ranks : {2, 4}) {
        LocalCluster local(ranks);
        std::atomic<bool> stop = false;
        std::vector<Measurement> lost;
        local.callbacks.lost = [&](Measurement const& measurement) { lost.push_back(measurement); };
        local.callbacks.notice = [&](std::string const& text) {
            if (text.find("is lost") != std::string::npos) stop = true;
        };
        local.measure = [&](int rank, WorkItem const& item) {
            if (rank == 1) local.world.lose(1, "killed with the job");
            nap(20);
            return fake_measurement(item);
        };
        auto const outcome = local.run(fake_items(8), {.stop = &stop});
        EXPECT_THAT(lost, IsEmpty());
        EXPECT_EQ(outcome.failed, 0u);
        EXPECT_EQ(outcome.missing.size() + local.results.size(), 8u);
        for (auto const& [number, measurement] : local.results) EXPECT_EQ(measurement.status, Status::ok);
    }
}

TEST(Loss, ALossThatTheCoordinatorOutlivesIsTold) {
    LocalCluster local(3);
    std::vector<Measurement> lost;
    local.callbacks.lost = [&](Measurement const& measurement) { lost.push_back(measurement); };
    std::atomic<bool> first_is_gone = false;
    local.measure = [&](int rank, WorkItem const& item) {
        if (rank == 1) {
            local.world.lose(1, "pulled the plug");
            first_is_gone = true;
        }
        // Or it may have made all of them before the other began.
        while (rank == 2 && !first_is_gone) std::this_thread::yield();
        return fake_measurement(item);
    };
    EXPECT_EQ(local.run(fake_items(4), {.loss_delay_s = 0.1}).ok, 4u);
    ASSERT_EQ(lost.size(), 1u);
    EXPECT_EQ(lost[0].status, Status::node_lost);
    EXPECT_THAT(lost[0].reason, HasSubstr("pulled the plug"));
}

TEST(Loss, WhatIsLostBeforeEveryRankHasSpokenWaitsForThem) {
    LocalCluster local(3);
    std::vector<Measurement> lost;
    local.callbacks.lost = [&](Measurement const& measurement) { lost.push_back(measurement); };
    std::atomic<bool> first_is_gone = false;
    local.before_serving = [&](int rank) {
        while (rank == 2 && !first_is_gone) std::this_thread::yield();
    };
    local.measure = [&](int rank, WorkItem const& item) {
        if (rank == 1) {
            local.world.lose(1, "pulled the plug");
            first_is_gone = true;
        }
        return fake_measurement(item);
    };
    EXPECT_EQ(local.run(fake_items(4), {.loss_delay_s = 0}).ok, 4u);
    EXPECT_EQ(lost.size(), 1u);
}

TEST(Loss, WhoOffersItselfAMomentBeforeTheLossTakesTheItem) {
    LocalCluster local(3);
    std::atomic<bool> first_is_gone = false;
    local.before_serving = [&](int rank) {
        while (rank == 2 && !first_is_gone) std::this_thread::yield();
    };
    std::atomic<int> made = 0;
    local.measure = [&](int rank, WorkItem const& item) {
        if (rank == 1 && ++made == 2) {
            local.world.lose(1, "pulled the plug");
            first_is_gone = true;
        }
        return fake_measurement(item);
    };
    // Rank 0 is busy until both have happened, and hears of them in one go.
    local.callbacks.results = [&](std::vector<Measurement> const& measurements) {
        while (!first_is_gone) std::this_thread::yield();
        nap(50);
        local.collect(measurements);
    };
    EXPECT_EQ(local.run(fake_items(4), {.loss_delay_s = 0}).ok, 4u);
}

TEST(Loss, NonsenseFromTheCoordinatorIsAnsweredAndTheWorkerGoesOn) {
    InProcessWorld world(2);
    std::thread worker([&] { serve(*world.transport(1), fake_worker(), fake_measurement); });
    auto const rank0 = world.transport(0);
    auto const next = [&] { return decode_message(rank0->receive(10).value().body); };
    EXPECT_TRUE(std::holds_alternative<Hello>(next()));
    for (std::string const nonsense :
         {"", "{", "null", "[]", "{\"type\":7}", "{\"type\":\"deal\"}", "{\"type\":\"deal\",\"item\":{\"cell\":3}}",
          "{\"type\":\"hello\"}", "{\"type\":\"goodbye\"}", "\xff\xfe"}) {
        rank0->send(1, nonsense);
        EXPECT_TRUE(std::holds_alternative<Unreadable>(next())) << nonsense;
    }
    auto item = fake_item(3);
    item.attempt_id = "a1";
    rank0->send(1, encode_message(Deal{item}));
    EXPECT_EQ(std::get<Result>(next()).measurement.attempt_id, "a1");
    rank0->send(1, encode_message(Stop{}));
    EXPECT_TRUE(std::holds_alternative<Goodbye>(next()));
    worker.join();
}

TEST(Loss, NonsenseFromAWorkerIsAnErrorRowOfItsItem) {
    InProcessWorld world(2);
    std::thread worker([&] {
        auto const transport = world.transport(1);
        transport->send(0, encode_message(Hello{fake_worker()}));
        for (bool first = true;; first = false) {
            auto const message = transport->receive(10).value();
            auto const content = decode_message(message.body);
            if (std::holds_alternative<Stop>(content)) break;
            auto const& item = std::get<Deal>(content).item;
            auto measurement = fake_measurement(item);
            measurement.attempt_id = item.attempt_id;
            measurement.cell_id = item.cell.id;
            transport->send(0,
                            first ? "{\"type\":\"result\",\"measurement\":[]}" : encode_message(Result{measurement}));
        }
        transport->send(0, encode_message(Goodbye{}));
    });
    auto const transport = world.transport(0);
    std::vector<Measurement> results;
    {
        Coordinator coordinator(*transport, fake_worker(), fake_measurement);
        auto const outcome = coordinator.run(fake_items(4), {.results = [&](std::vector<Measurement> const& some) {
                                                 results.insert(results.end(), some.begin(), some.end());
                                             }});
        EXPECT_EQ(outcome.ok, 3u);
        EXPECT_EQ(outcome.failed, 1u);
    }
    worker.join();
    ASSERT_EQ(results.size(), 4u);
    EXPECT_EQ(results[0].status, Status::error);
    EXPECT_THAT(results[0].reason, HasSubstr("unreadable message"));
}

TEST(Loss, AnOfferOfAnotherVersionIsNotDealtTo) {
    InProcessWorld world(2);
    auto const stranger = world.transport(1);
    auto hello = Json::parse(encode_message(Hello{fake_worker()}));
    hello["version"] = 999;
    stranger->send(0, hello.dump());
    auto const transport = world.transport(0);
    std::vector<std::string> notices;
    Coordinator coordinator(*transport, fake_worker(), fake_measurement);
    auto const outcome = coordinator.run(fake_items(2), {.results = [](std::vector<Measurement> const&) {},
                                                         .progress = {},
                                                         .notice = [&](auto const& text) { notices.push_back(text); }});
    EXPECT_EQ(outcome.missing.size(), 2u);
    EXPECT_THAT(notices, Contains(HasSubstr("protocol version 999")));
}

}  // namespace
}  // namespace kvstone
