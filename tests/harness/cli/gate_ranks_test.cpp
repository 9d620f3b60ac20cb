// Blocks of a gate over ranks that come, answer and die, as threads of this process.

#include "harness/gates/gate_ranks.hpp"

#include <atomic>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>

#include "cluster/in_process.hpp"
#include "cluster/worker.hpp"
#include "tests/cluster/fake_work.hpp"

namespace kvstone {
namespace {

struct Worker {
    std::string node;
    std::string hardware_class = "h";
    int dies_at = -1;  ///< the attempt in whose midst it is lost
};

class GateRanksTest : public testing::Test {
  protected:
    /// Blocks that were measured, each as the words of its attempts.
    std::map<int, std::string> measure(std::vector<Worker> const& workers, int blocks) {
        InProcessWorld world(static_cast<int>(workers.size()) + 1);
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < workers.size(); ++i)
            threads.emplace_back(
                [this, &world, rank = static_cast<int>(i) + 1, worker = workers[i]] { work(world, rank, worker); });
        std::map<int, std::string> whole;
        auto const cell = fake_item(0).cell;
        {
            auto const rank_zero = world.transport(0);
            GateRanks ranks(*rank_zero, [this](std::string const& text) { notices += text + "\n"; });
            std::vector<GateBlock> list;
            for (int number = 0; number < blocks; ++number)
                list.push_back({&cell, "screen", number, "ABBA", number, 0});
            auto const call_of = [](GateBlock const& block, std::size_t position) {
                return BuildCall{{std::string(1, block.order[position])}, 0, 60};
            };
            auto const done = [&](GateBlock const& block, std::vector<Measurement> const& measurements) {
                for (auto const& measurement : measurements) whole[block.number] += measurement.reason;
            };
            ranks.measure(list, call_of, done, [] { return true; });
            nodes = ranks.count();
        }
        threads.clear();
        return whole;
    }

    std::size_t nodes = 0;
    std::string notices;
    std::map<std::string, int> most_at_once;  ///< attempts, by node
    std::map<std::string, int> attempts;      ///< by node

  private:
    void work(InProcessWorld& world, int rank, Worker const& worker) {
        auto const transport = world.transport(rank);
        int made = 0;
        auto const attempt = [&](WorkItem const& item) {
            if (made++ == worker.dies_at) world.lose(rank, "gone");
            {
                std::lock_guard const lock(mutex_);
                most_at_once[worker.node] = std::max(most_at_once[worker.node], ++at_once_[worker.node]);
                ++attempts[worker.node];
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            Measurement measurement;
            measurement.reason = build_call_from_json(item.call).words.at(0);
            std::lock_guard const lock(mutex_);
            --at_once_[worker.node];
            return measurement;
        };
        try {
            serve(*transport, {worker.node, worker.hardware_class, {}, {}}, attempt);
        } catch (SystemError const&) {
            EXPECT_GE(worker.dies_at, 0);
        }
    }

    std::mutex mutex_;
    std::map<std::string, int> at_once_;
};

TEST_F(GateRanksTest, EveryBlockIsMeasuredWholeAndOneAtATimeOnANode) {
    auto const whole = measure({{"one"}, {"one"}, {"two"}}, 20);
    ASSERT_EQ(whole.size(), 20U);
    for (auto const& [number, words] : whole) EXPECT_EQ(words, "ABBA") << number;
    EXPECT_EQ(nodes, 2U);
    EXPECT_EQ(most_at_once["one"], 1);
    EXPECT_GT(attempts["one"], 0);
    EXPECT_GT(attempts["two"], 0);
}

TEST_F(GateRanksTest, ABlockWhoseRankDiesIsMeasuredAnewElsewhere) {
    auto const whole = measure({{"one", "h", 6}, {"two"}}, 20);
    ASSERT_EQ(whole.size(), 20U);
    for (auto const& [number, words] : whole) EXPECT_EQ(words, "ABBA") << number;
    EXPECT_THAT(notices, testing::HasSubstr("its block is measured anew"));
    EXPECT_EQ(attempts["one"], 7);
}

TEST_F(GateRanksTest, OtherHardwareIsLeftOutAndNobodyAtAllIsAnError) {
    auto const whole = measure({{"one"}, {"two", "other"}}, 5);
    EXPECT_EQ(whole.size(), 5U);
    EXPECT_EQ(attempts["two"], 0);
    EXPECT_THAT(notices, testing::HasSubstr("rank 2 is left out"));
    EXPECT_THROW(measure({{"one", "h", 0}}, 1), SystemError);
}

}  // namespace
}  // namespace kvstone
