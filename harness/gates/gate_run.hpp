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
    std::string scenario;  ///< file, as both builds are given it
    Plan plan;             ///< the same, read by this program
    std::vector<std::string> set;
    double budget_s = 0;  ///< 0: no limit
    /// Factors by which timed passes take longer in the head, by waiting: by a codec's name or text; "all": for the
    /// rest.
    std::map<std::string, double> slow_down;
    std::uint64_t seed = 1;
    int blocks = 0;           ///< of the first phase; 0: 8, and more while the budget lasts and blocks are too few
    bool calibrates = false;  ///< `blocks` confirming blocks per cell in place of both phases
    std::atomic<bool> const* stop = nullptr;
    std::function<void(std::string const&)> notice;
};

/// The factor for a cell; 1: none.
double slow_down_of(GateRun const& run, Cell const& cell);

/// Measures: each build once at each cell, for figures that need no repetition; then blocks ABBA or BAAB, equally many
/// of both and every one a launch of its own, with cells in random order, so that a cell's blocks spread over the whole
/// run; then confirming blocks where the first phase suspects a slow-down. Blocks take only times, where both builds
/// can do so. Where the budget is too small for all cells, those with the longest time per test are left untimed. A
/// block with a failed attempt is measured again while the budget lasts; a cell with a block that failed
/// gate_block_tries times is given up. Cells that are not ok on either side after the probe are not timed. Fills
/// `attempts`, sides, `tests`, `screen_blocks` and `untimed`. Throws SystemError.
Evidence run_gate(GateRun const& run, GateNodes& nodes, GatePolicy const& policy, std::vector<PolicyRule> const& rules);

}  // namespace kvstone
