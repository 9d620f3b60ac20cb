#pragma once
// The measurements of `kvstone gate`, and the ranks that make them.

#include <string>
#include <vector>

#include "cluster/transport.hpp"
#include "harness/attempts/attempt.hpp"
#include "results/verdict/record.hpp"

namespace kvstone {

/// Options of `kvstone gate`.
struct GateOptions {
    std::string policy;
    std::string base, head, base_ref, scenario, budget, inconclusive, baseline;
    std::string markdown, junit;
    std::vector<std::string> set, only, slow_down;
    bool run = false, calibrate = false, github = false, across_toolchains = false, keep_nothing = false;
    int blocks = 0;
    std::uint64_t seed = 0;
};

/// Rank 0: measures base and head in turns on this node, or on the nodes of the other ranks, and fills the evidence and the
/// settings of the record. Sets `met` before it waits for the other ranks, see among_ranks(). Throws ConfigError and
/// SystemError.
void measure_gate(GateRecord& record, GateOptions const& options, std::vector<PolicyRule> const& rules,
                  Transport& world, Spawner& spawner, bool& met);

/// Every other rank: makes the attempts that rank 0 sends, until it is told to stop.
void serve_gate(Transport& world, Spawner& spawner);

}  // namespace kvstone
