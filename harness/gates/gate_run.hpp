#pragma once
// Two builds measured in turns, for a gate.

#include <atomic>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "harness/gates/gate_build.hpp"
#include "results/verdict/gate.hpp"

namespace kvstone {

struct GateRun {
    GateProgram base, head;
    std::string scenario;  ///< file, as both are given it
    Plan plan;             ///< the same, read by this program
    std::vector<std::string> set;
    double budget_s = 0;  ///< 0: as long as it takes
    /// How much longer the timed passes of codecs take in the head, done by waiting, by name or text; "all": of the rest.
    std::map<std::string, double> slow_down;
    std::uint64_t seed = 1;
    int blocks = 0;  ///< of the first phase; 0: 8, and more while the budget lasts and something cannot be seen yet
    bool calibrates = false;  ///< `blocks` confirming blocks a cell in place of both phases
    std::atomic<bool> const* stop = nullptr;
    std::function<void(std::string const&)> notice;
};

/// The factor for a cell; 1: none.
double slow_down_of(GateRun const& run, Cell const& cell);

/// Measures: each build once at each cell, for figures that need no repetition; then blocks ABBA or BAAB, as many either
/// way and every one a launch of its own, cells in random order, so that a cell's blocks spread over the whole run; then
/// confirming blocks where the first phase suspects something. Blocks take only times, where both builds know how to.
/// Where the budget does not allow for all, the cells that take longest for each of their tests are left untimed. A block
/// with an attempt that failed is measured anew while the budget lasts; a cell of which one failed gate_block_tries times is
/// given up. Cells that either side has not ok after the probe are not timed. Fills `attempts`, sides, `tests`,
/// `screen_blocks` and `untimed`. Throws SystemError.
Evidence run_gate(GateRun const& run, GateNodes& nodes, GatePolicy const& policy, std::vector<PolicyRule> const& rules);

}  // namespace kvstone
