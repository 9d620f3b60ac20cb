#pragma once
// The measurements of `kvstone gate`, and the ranks that make them.

#include <functional>
#include <string>
#include <vector>

#include "cluster/transport.hpp"
#include "harness/attempts/attempt.hpp"
#include "results/verdict/record.hpp"

namespace kvstone {

struct CommandLine;

/// Options of `kvstone gate`.
struct GateOptions {
    std::string policy;
    std::string base, head, base_ref, scenario, budget, inconclusive, baseline;
    std::string markdown, junit;
    std::vector<std::string> set, only, slow_down;
    std::vector<std::string> rules;  ///< names of the rules to judge; empty: the whole policy
    bool run = false, calibrate = false, github = false, across_toolchains = false, keep_nothing = false;
    bool nightly = false;
    NightOptions nights;
    std::uint64_t years = 0;  ///< of a simulation of nights; 0: none
    int blocks = 0;
    std::uint64_t seed = 0;
};

/// Rank 0: measures base and head in turns on this node, or on the nodes of the other ranks, and fills the evidence and the
/// settings of the record. Sets `met` before it waits for the other ranks, see among_ranks(). Throws ConfigError and
/// SystemError.
void measure_gate(GateRecord& record, GateOptions const& options, std::vector<PolicyRule> const& rules,
                  Transport& world, Spawner& spawner, bool& met);

/// The cells that a gate would measure. Throws ConfigError, as for a scenario, a setting or a word that there is not.
Plan plan_of_gate(GateOptions const& options, GatePolicy const& policy);

/// A policy's file: one that was given, or the one of a policy that ships ("ci").
std::string policy_path(std::string const& name);

/// Fills the evidence of a gate that measures.
using MeasureGate = std::function<void(GateRecord& record, std::vector<PolicyRule> const& rules)>;
/// A gate with its verdict, stored as the options say, and not printed. Throws ConfigError and SystemError.
GateRecord decided_gate(CommandLine const& line, GateOptions const& options, MeasureGate const& measure);

/// Every other rank: makes the attempts that rank 0 sends, until it is told to stop.
void serve_gate(Transport& world, Spawner& spawner);

}  // namespace kvstone
