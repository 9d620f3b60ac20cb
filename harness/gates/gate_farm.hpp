#pragma once
// A gate over the nodes of an MPI world.

#include <map>

#include "cluster/worker_pool.hpp"
#include "harness/gates/gate_build.hpp"

namespace kvstone {

/// Rank 0 deals and never measures; of the ranks on a node one at a time does. Ranks on hardware of another class than
/// the first one's are left out. A block whose rank was lost is measured again elsewhere.
class GateFarm final : public GateNodes {
  public:
    using Notice = std::function<void(std::string const&)>;
    /// Waits for the other ranks to offer themselves (see serve() in cluster/worker.hpp), a minute at most.
    GateFarm(Transport& world, Notice notice);
    /// Sends the other ranks home.
    ~GateFarm() override;
    GateFarm(GateFarm const&) = delete;
    GateFarm& operator=(GateFarm const&) = delete;

    std::size_t count() const override;
    void measure(std::vector<GateBlock> const& blocks, CallOf const& call_of, Done const& done,
                 std::function<bool()> const& go_on) override;

  private:
    struct Held {
        GateBlock const* block = nullptr;
        std::vector<Measurement> measurements;
        double deadline_s = 0;
    };
    bool usable(WorkerInfo const& worker) const;
    void begin(CallOf const& call_of);
    void deal(int rank, CallOf const& call_of);
    void answer(WorkerPool::Event const& event, CallOf const& call_of, Done const& done);
    void give_up(int rank, std::string const& why);

    WorkerPool pool_;
    Notice notice_;
    WorkerInfo first_;          ///< what the others' hardware has to be like
    std::map<int, Held> held_;  ///< by rank
    std::deque<GateBlock const*> open_;
};

}  // namespace kvstone
