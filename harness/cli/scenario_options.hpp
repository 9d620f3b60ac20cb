#pragma once
// The arguments that verbs over scenarios share: scenarios, --only and --set.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "harness/bundles/scenario_file.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

struct ScenarioOptions {
    std::vector<std::string> scenarios;
    std::vector<std::string> only;
    std::vector<std::string> set;

    void add_to(CLI::App& command);
    /// One a scenario. Throws ConfigError; CorruptData where a bundle is none.
    std::vector<ScenarioFile> files() const;
    /// One plan a scenario. Throws ConfigError, too.
    std::vector<Plan> load() const;
};

}  // namespace kvstone
