#pragma once
// A run on more nodes than are at hand: the Scheduler itself, driven by the clock of a list of events.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cluster/protocol.hpp"

namespace kvstone {

/// Rank 0's time for an attempt (reading the result, making its rows, dealing the next one), and the time of a
/// transaction for all attempts that came in together. Measured on two busy cores of a virtual machine; `./dev bench
/// dispatch` measures both on yours.
inline constexpr double coordinator_attempt_s = 1e-3;
inline constexpr double coordinator_transaction_s = 3e-3;
/// Spread of costs around their estimates where the database has none.
inline constexpr double assumed_spread = 0.3;

struct SimulationOptions {
    double spread = assumed_spread;  ///< standard deviation of ln(cost / estimate); the average cost is the estimate
    double mtbf_h = 0;               ///< mean time between failures of one node (exponential); 0: none fails
    double back_min = 0;             ///< time until a lost node comes back; 0: never
    double notice_s = 1;             ///< from a node's loss until rank 0 knows of it
    double attempt_s = coordinator_attempt_s;
    double transaction_s = coordinator_transaction_s;
    std::uint64_t seed = 1;
};

/// Each item ends once: measured, quarantined (its node was lost twice) or missing (no node was left).
struct Simulation {
    int nodes = 0;
    double makespan_s = 0;        ///< until the last item has ended
    double efficiency = 0;        ///< time of measured items / (nodes x makespan)
    double coordinator_load = 0;  ///< rank 0's busy time / makespan
    double attempts_per_s = 0;    ///< dealt, on average
    std::size_t measured = 0;
    std::size_t quarantined = 0;
    std::size_t missing = 0;
    std::size_t lost_attempts = 0;  ///< attempts that were lost with a node
    double lost_s = 0;              ///< measuring time of those
};

/// One worker a node measures, as with timing cells. Rank 0 answers all messages that are there, one after another,
/// then stores the results in one transaction: a worker waits while rank 0 is busy with others. Time limits are not
/// simulated. Hosts with pinned items are among the nodes, as many as there are nodes. The same items, options and seed
/// give the same result.
class Simulator {
  public:
    Simulator(std::vector<WorkItem> const& items, SimulationOptions const& options);
    Simulation run(int nodes) const;

  private:
    std::vector<WorkItem> items_;  ///< the members that the scheduler reads, and no more
    std::vector<double> costs_s_;  ///< by item
    std::vector<std::string> hosts_;
    std::vector<std::string> backends_;
    SimulationOptions options_;
};

}  // namespace kvstone
