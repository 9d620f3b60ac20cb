#include "harness/cli/scenario_options.hpp"

#include <fmt/format.h>

#include "harness/cli/bundle_contents.hpp"
#include "harness/cli/vocabulary.hpp"
#include "harness/sources/shared_captures.hpp"

namespace kvstone {

Plan ScenarioFile::load() const {
    PlanOptions options;
    options.only = only;
    for (auto const& text : set) {
        auto const equals = text.find('=');
        if (equals == std::string::npos || equals == 0) throw ConfigError("--set takes KEY=VALUE", text);
        options.set.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    auto plan = load_plan(path, vocabulary(), options);
    if (!plan_hash.empty() && plan.hash != plan_hash)
        fmt::print(stderr,
                   "{}: plan {} here, {} where it was packed: other options or files make other cells, which do not "
                   "compare\n",
                   plan.scenario, plan.hash, plan_hash);
    share_captures(plan);
    return plan;
}

void ScenarioOptions::add_to(CLI::App& command) {
    command
        .add_option("scenario", scenarios,
                    "YAML files, bundles (NAME.zip), or names of shipped scenarios (`kvstone list scenarios`)")
        ->required();
    command.add_option("--only", only, "Cells whose text, codec name or id has this word; repeated: all of them");
    command.add_option("--set", set, "KEY=VALUE into the scenario, as in --set grid.context=[512]");
}

std::vector<ScenarioFile> ScenarioOptions::files() const {
    std::vector<ScenarioFile> files;
    for (auto const& scenario : scenarios) {
        files.push_back(scenario.ends_with(".zip") ? open_bundle(scenario)
                                                   : ScenarioFile{scenario_path(scenario), {}, {}});
        files.back().only.insert(files.back().only.end(), only.begin(), only.end());
        files.back().set.insert(files.back().set.end(), set.begin(), set.end());
    }
    return files;
}

std::vector<Plan> ScenarioOptions::load() const {
    std::vector<Plan> plans;
    for (auto const& file : files()) plans.push_back(file.load());
    return plans;
}

}  // namespace kvstone
