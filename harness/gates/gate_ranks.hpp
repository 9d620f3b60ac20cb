#pragma once
// A gate over the ranks of an MPI world.

#include <atomic>

#include "cluster/dispatcher.hpp"
#include "harness/gates/gate_build.hpp"

namespace kvstone {

/// Rank 0 deals blocks through a Coordinator and never measures; of the ranks on a node one at a time does. Ranks on
/// hardware of another class than the first one's are left out. A block whose rank was lost is measured again elsewhere;
/// lost twice, it is node_lost.
class GateRanks final : public GateNodes {
  public:
    using Notice = std::function<void(std::string const&)>;
    /// `stop` is set by a signal handler: the attempt under way is cancelled (see WorkerOptions::cancel). Null: never.
    GateRanks(Transport& world, Notice notice, std::atomic<bool> const* stop = nullptr);
    /// Sends the other ranks home. One that keeps silent does not change how the gate ends.
    ~GateRanks() override;
    GateRanks(GateRanks const&) = delete;
    GateRanks& operator=(GateRanks const&) = delete;

    /// As the last measure() left them, which waited for the ranks to offer themselves, a minute at most.
    std::size_t count() const override;
    void measure(std::vector<GateBlock> const& blocks, CallOf const& call_of, Done const& done,
                 std::function<bool()> const& go_on) override;

  private:
    Notice notice_;
    Coordinator coordinator_;
    std::size_t nodes_ = 0;
};

}  // namespace kvstone
