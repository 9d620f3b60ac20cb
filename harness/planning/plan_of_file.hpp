#pragma once

#include <functional>
#include <string>

#include "harness/bundles/scenario_file.hpp"
#include "scenarios/scenario.hpp"
#include "scenarios/yaml_value.hpp"

namespace kvstone {

/// The values of a scenario with those that its options set. Throws ConfigError.
YamlValue scenario_values(ScenarioFile const& file);

/// The plan of a scenario, in the names that this program knows. Calls `notice` where a bundle's plan differs in this
/// build. Throws ConfigError, also for a codec that no cell can measure because it drops tokens.
Plan load_plan(ScenarioFile const& file, std::function<void(std::string const&)> const& notice);

}  // namespace kvstone
