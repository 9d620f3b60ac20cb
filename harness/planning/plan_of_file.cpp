#include "harness/planning/plan_of_file.hpp"

#include <fmt/format.h>

#include "harness/planning/skipped_cells.hpp"
#include "harness/planning/vocabulary.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

namespace {

PlanOptions options_of(ScenarioFile const& file) {
    PlanOptions options;
    options.only = file.only;
    for (auto const& text : file.set) {
        auto const equals = text.find('=');
        if (equals == std::string::npos || equals == 0) throw ConfigError("--set takes KEY=VALUE", text);
        options.set.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
    return options;
}

}  // namespace

YamlValue scenario_values(ScenarioFile const& file) {
    auto root = read_yaml_file(file.path);
    for (auto const& [key, value] : options_of(file).set) override_value(root, key, value);
    return root;
}

Plan load_plan(ScenarioFile const& file, std::function<void(std::string const&)> const& notice) {
    auto const words = vocabulary();
    auto plan = load_plan(file.path, words, options_of(file));
    check_dropping_codecs(plan, file, words);
    if (!file.plan_hash.empty() && plan.hash != file.plan_hash)
        notice(fmt::format(
            "{}: plan {} here, {} where it was packed: other options or files make other cells, which do not compare",
            plan.scenario, plan.hash, file.plan_hash));
    return plan;
}

}  // namespace kvstone
