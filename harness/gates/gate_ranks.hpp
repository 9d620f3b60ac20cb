#pragma once
// A gate on the ranks of an MPI world.

#include <atomic>

#include "cluster/dispatcher.hpp"
#include "harness/gates/gate_build.hpp"

namespace kvstone {

/// Rank 0 deals blocks through a Coordinator and never measures; of the ranks on a node, one at a time does. Ranks
/// whose hardware class differs from the first one's are left out. A block whose rank was lost is measured again
/// elsewhere; lost twice, it is node_lost.
class GateRanks final : public GateNodes {
  public:
    using Notice = std::function<void(std::string const&)>;
    /// `stop` is set by a signal handler: the attempt under way is cancelled (see WorkerOptions::cancel). Null: never
    /// set.
    GateRanks(Transport& world, Notice notice, std::atomic<bool> const* stop = nullptr);
    /// Dismisses the other ranks. A rank that keeps silent does not change the result of the gate.
    ~GateRanks() override;
    GateRanks(GateRanks const&) = delete;
    GateRanks& operator=(GateRanks const&) = delete;

    /// The count after the last measure(), which waited a minute at most for the ranks to offer themselves.
    std::size_t count() const override;
    void measure(std::vector<GateBlock> const& blocks, CallOf const& call_of, Done const& done,
                 std::function<bool()> const& go_on) override;

  private:
    Notice notice_;
    Coordinator coordinator_;
    std::size_t nodes_ = 0;
};

}  // namespace kvstone
