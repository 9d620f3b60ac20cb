#pragma once
// Two builds measured in turns on this node, for a gate.

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "harness/attempt.hpp"
#include "results/verdict/gate.hpp"

namespace kvstone {

/// A build of KVstone as a program. What every commit's has to understand is
///   PROGRAM attempt CELL SCENARIO --json [--set KEY=VALUE]... [--slow-down FACTOR]
/// with a Measurement as JSON on standard output; `PROGRAM doctor --json` tells what it is made of, where it can.
struct GateProgram {
    std::string path;
    std::string git_sha;  ///< empty: it does not tell
    std::string toolchain;
    std::string build;
};
GateProgram describe_program(std::string const& path);

struct GateRun {
    std::string base, head;  ///< programs
    std::string scenario;    ///< file, as both are given it
    Plan plan;               ///< the same, read by this program
    std::vector<std::string> set;
    double budget_s = 0;  ///< 0: as long as it takes
    /// A codec's name and how much longer its timed passes take in the head, done by waiting; empty: none.
    std::string slow_codec;
    double slow_factor = 1;
    std::uint64_t seed = 1;
    int blocks = 0;  ///< of calibrations: so many single-block launches a cell in place of both stages; 0: a gate
    std::atomic<bool> const* stop = nullptr;
    std::function<void(std::string const&)> notice;
};

/// Measures: each build once at each cell, then blocks ABBA or BAAB, as many either way, cells in random order, so that a
/// cell's blocks spread over the whole run; then confirming blocks where the first stage suspects something, each with
/// processes and an environment of another size of its own. Where the budget does not allow for all, the cells that take
/// longest for each of their tests are left untimed; it fills `attempts`, sides, `tests` and `untimed`. Throws SystemError.
Evidence run_gate(GateRun const& run, GatePolicy const& policy, std::vector<PolicyRule> const& rules);

}  // namespace kvstone
