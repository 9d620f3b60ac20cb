#pragma once

#include <functional>
#include <string>

#include "harness/bundles/scenario_file.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// The plan of a scenario, in the names that this program knows. Tells `notice` where a bundle's plan is another here.
/// Throws ConfigError.
Plan load_plan(ScenarioFile const& file, std::function<void(std::string const&)> const& notice);

}  // namespace kvstone
