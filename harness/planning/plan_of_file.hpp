#pragma once

#include <functional>
#include <string>

#include "harness/bundles/scenario_file.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// The plan of a scenario, in the names that this program knows. Calls `notice` where a bundle's plan differs in this
/// build. Throws ConfigError.
Plan load_plan(ScenarioFile const& file, std::function<void(std::string const&)> const& notice);

}  // namespace kvstone
