#pragma once
// `kvstone plan --simulate`: the duration of a plan on any number of nodes.

#include <string>
#include <vector>

#include "cluster/simulator.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {

/// The parsed value of --simulate.
struct SimulationRequest {
    std::vector<int> nodes = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};
    SimulationOptions options;
    bool spread_given = false;  ///< else the database's spread, if any

    /// "nodes=1024,mtbf=500", "nodes=1,2,4": KEY=VALUE separated by commas; a value without a key is another value of
    /// nodes. Throws ConfigError.
    static SimulationRequest parse(std::string const& text);
};

/// The assumptions of every simulation, in words.
std::string assumptions(SimulationRequest const& request, bool spread_recorded);
Json to_json(SimulationRequest const& request, std::vector<Simulation> const& results);
/// A row for each number of nodes.
void print_simulations(std::vector<Simulation> const& results);

}  // namespace kvstone
