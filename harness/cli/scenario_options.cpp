#include "harness/cli/scenario_options.hpp"

#include "harness/bundles/bundle_contents.hpp"
#include "harness/cli/progress.hpp"
#include "harness/planning/plan_of_file.hpp"
#include "harness/planning/vocabulary.hpp"

namespace kvstone {

void ScenarioOptions::add_to(CLI::App& command) {
    command
        .add_option("scenario", scenarios,
                    "YAML files, bundles (NAME.zip), or names of shipped scenarios (`kvstone list scenarios`)")
        ->required();
    command.add_option(
        "--only", only,
        "Only cells of this part of the scenario, or cells with this word in their text, codec name or id; may be "
        "given several times");
    command.add_option("--set", set, "Set a key of the scenario: --set 'grid.context=[512]'");
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
    for (auto const& file : files()) plans.push_back(load_plan(file, say));
    return plans;
}

}  // namespace kvstone
