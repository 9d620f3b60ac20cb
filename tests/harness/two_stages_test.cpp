// Two stages of work beside each other: order, bounds, ends and errors.

#include "harness/cache/two_stages.hpp"

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace kvstone {
namespace {

/// Runs a number of items through both forms; `produce_one` and `consume_one` are told each item.
template <class ProduceOne, class ConsumeOne>
void run(bool produced_beside, int count, std::size_t depth, ProduceOne const& produce_one,
         ConsumeOne const& consume_one) {
    auto const produce = [&](auto const& push) {
        for (int i = 0; i < count; ++i) {
            produce_one(i);
            if (!push(i)) return;
        }
    };
    if (produced_beside)
        produce_beside<int>(depth, produce, consume_one);
    else
        consume_beside<int>(depth, produce, consume_one);
}

class TwoStages : public testing::TestWithParam<bool> {};

TEST_P(TwoStages, HandOnEveryItemInOrder) {
    for (int const count : {0, 1, 1000})
        for (std::size_t const depth : {1, 3}) {
            std::vector<int> taken;
            std::atomic<int> produced{0};
            std::atomic<int> most_waiting{0};
            run(
                GetParam(), count, depth, [&](int) { ++produced; },
                [&](int item) {
                    most_waiting = std::max(most_waiting.load(), produced - static_cast<int>(taken.size()));
                    taken.push_back(item);
                });
            ASSERT_EQ(taken.size(), static_cast<std::size_t>(count));
            for (int i = 0; i < count; ++i) ASSERT_EQ(taken[static_cast<std::size_t>(i)], i);
            // In the queue, one being pushed, and one being taken.
            EXPECT_LE(most_waiting, static_cast<int>(depth) + 2);
        }
}

TEST_P(TwoStages, WorkInTwoThreadsOfWhichOneIsTheCallers) {
    std::thread::id producer, consumer;
    run(
        GetParam(), 1, 1, [&](int) { producer = std::this_thread::get_id(); },
        [&](int) { consumer = std::this_thread::get_id(); });
    EXPECT_NE(producer, consumer);
    EXPECT_EQ(GetParam() ? consumer : producer, std::this_thread::get_id());
}

TEST_P(TwoStages, EndWithWhatEitherThrows) {
    for (bool const producer_fails : {false, true}) {
        std::atomic<int> produced{0};
        std::atomic<int> taken{0};
        EXPECT_THROW(run(
                         GetParam(), 100'000, 2,
                         [&](int item) {
                             if (producer_fails && item == 5) throw std::runtime_error("producer");
                             ++produced;
                         },
                         [&](int item) {
                             if (!producer_fails && item == 5) throw std::runtime_error("consumer");
                             ++taken;
                         }),
                     std::runtime_error);
        EXPECT_EQ(taken, 5) << "what was pushed before is taken, and no more";
        // A producer whose consumer is gone stops at its next push.
        EXPECT_LE(produced, producer_fails ? 5 : 10);
    }
}

INSTANTIATE_TEST_SUITE_P(Both, TwoStages, testing::Bool(),
                         [](auto const& one) { return one.param ? "produced_beside" : "consumed_beside"; });

}  // namespace
}  // namespace kvstone
