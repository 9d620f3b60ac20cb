#include "harness/cli/scenario_options.hpp"

#include "harness/cli/vocabulary.hpp"
#include "harness/sources/shared_captures.hpp"

namespace kvstone {

void ScenarioOptions::add_to(CLI::App& command) {
    command.add_option("scenario", scenarios, "YAML files, or names of shipped scenarios (`kvstone list scenarios`)")
        ->required();
    command.add_option("--only", only, "Cells whose text, codec name or id has this word; repeated: all of them");
    command.add_option("--set", set, "KEY=VALUE into the scenario, as in --set grid.context=[512]");
}

std::vector<Plan> ScenarioOptions::load() const {
    PlanOptions options;
    options.only = only;
    for (auto const& text : set) {
        auto const equals = text.find('=');
        if (equals == std::string::npos || equals == 0) throw ConfigError("--set takes KEY=VALUE", text);
        options.set.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    std::vector<Plan> plans;
    for (auto const& scenario : scenarios) {
        plans.push_back(load_plan(scenario_path(scenario), vocabulary(), options));
        share_captures(plans.back());
    }
    return plans;
}

}  // namespace kvstone
