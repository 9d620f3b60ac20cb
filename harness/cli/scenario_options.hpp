#pragma once
// The arguments that verbs over scenarios share: scenarios, --only and --set.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "scenarios/scenario.hpp"

namespace kvstone {

/// A scenario as it is to be read; one of a bundle (NAME.zip) lies unpacked, with what it was run with.
struct ScenarioFile {
    std::string path;
    std::vector<std::string> only;
    std::vector<std::string> set;
    std::string plan_hash = {};  ///< where the bundle was made; of others empty, as the next
    std::string measured = {};   ///< the bundle's database

    /// Throws ConfigError. Says on standard error where a bundle's plan is another here.
    Plan load() const;
};

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
