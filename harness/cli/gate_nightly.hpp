#pragma once
// `kvstone gate --nightly`: the last night beside the good ones before it.

#include <string>

#include "harness/cli/exit_code.hpp"
#include "harness/cli/gate_measure.hpp"

namespace CLI {
class App;
}

namespace kvstone {

/// Adds --nightly and the options that need it to `gate`, which has its own already.
void add_nightly(CLI::App& command, GateOptions& options);

/// Fills the evidence of a gate with the nights of a database. Throws ConfigError.
void look_up_nights(GateRecord& record, GateOptions const& options, std::string const& database,
                    std::vector<PolicyRule> const& rules);

/// Measures the false alarms and the delays of the policy's rule about nights, on nights that are made up and on those of
/// the database, if any, over `options.years` years of one timing each; prints a table, or JSON.
ExitCode simulate_nights(CommandLine const& line, GateOptions const& options);

}  // namespace kvstone
