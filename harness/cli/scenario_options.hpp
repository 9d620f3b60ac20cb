#pragma once
// The arguments that `run` and `plan` share: scenarios, --only and --set.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "scenarios/scenario.hpp"

namespace kvstone {

struct ScenarioOptions {
    std::vector<std::string> scenarios;
    std::vector<std::string> only;
    std::vector<std::string> set;

    void add_to(CLI::App& command);
    /// One plan a scenario. Throws ConfigError.
    std::vector<Plan> load() const;
};

}  // namespace kvstone
