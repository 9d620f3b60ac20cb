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
    /// One file per scenario. Throws ConfigError; CorruptData where a bundle cannot be read.
    std::vector<ScenarioFile> files() const;
    /// One plan per scenario. Throws ConfigError, too.
    std::vector<Plan> load() const;
};

}  // namespace kvstone
