#include "harness/cli/gate_measure.hpp"

#include <filesystem>
#include <random>

#include <fmt/format.h>
#include <unistd.h>

#include "cluster/node.hpp"
#include "cluster/worker.hpp"
#include "harness/attempts/abilities.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/cli/stop_signals.hpp"
#include "harness/gates/base_build.hpp"
#include "harness/gates/gate_ranks.hpp"
#include "harness/gates/gate_run.hpp"
#include "harness/planning/vocabulary.hpp"
#include "scenarios/own_program.hpp"
#include "scenarios/yaml_reader.hpp"

namespace kvstone {
namespace {

/// "15m", "90 s", "2 h".
double seconds_of(std::string const& text) {
    YamlValue value;
    value.kind = YamlValue::Kind::scalar;
    value.text = text.ends_with('m') && !text.empty() ? text + "in" : text;
    if (auto const unit = value.text.find_first_not_of("0123456789.");
        unit != std::string::npos && value.text[unit] != ' ')
        value.text.insert(unit, " ");
    value.path = value.place.file = "--budget";
    return duration_s_of(value);
}

std::string program_path(std::string const& given, char const* option) {
    if (given.empty()) return own_program().string();
    auto const path = std::filesystem::absolute(given).string();
    if (access(path.c_str(), X_OK) != 0) throw ConfigError(fmt::format("{} names no program", option), given);
    return path;
}

/// "CODEC=1.05", "all=1.1".
std::map<std::string, double> slow_down_of(std::vector<std::string> const& options, Plan const& plan) {
    std::map<std::string, double> factors;
    for (auto const& text : options) {
        auto const equals = text.rfind('=');
        auto const codec = text.substr(0, equals);
        double const factor = equals == std::string::npos ? 0 : std::strtod(text.c_str() + equals + 1, nullptr);
        bool const known = codec == "all" || std::ranges::any_of(plan.cells, [&](Cell const& cell) {
                               return cell.codec_name == codec || cell.codec == codec;
                           });
        if (factor <= 1 || !known)
            throw ConfigError("this slows down no codec of the scenario", text, {"CODEC=1.05", "all=1.05"});
        factors[codec] = factor;
    }
    return factors;
}

/// The scenario's file, the settings in it, and its plan.
void take_scenario(GateRun& run, GateOptions const& options, GatePolicy const& policy) {
    run.scenario = options.scenario.empty() ? policy.scenario : options.scenario;
    if (run.scenario.empty())
        throw ConfigError("no scenario is given", "scenario", {"scenario: NAME in the policy", "--scenario"},
                          {policy.path, 0, 0});
    auto const beside = std::filesystem::path(policy.path).parent_path() / run.scenario;
    run.scenario =
        std::filesystem::absolute(std::filesystem::exists(beside) ? beside.string() : scenario_path(run.scenario))
            .string();
    ScenarioOptions scenario;
    scenario.scenarios = {run.scenario};
    run.set = policy.set;
    run.set.insert(run.set.end(), options.set.begin(), options.set.end());
    scenario.set = run.set;
    scenario.only = options.only.empty() ? policy.only : options.only;
    run.plan = scenario.load().at(0);
}

GateRun run_of(GateOptions const& options, GatePolicy const& policy, Spawner& spawner) {
    GateRun run;
    if (options.run && !options.calibrate && options.base.empty() && options.base_ref.empty())
        throw ConfigError("no base is given, and a build compared with itself always passes", "--run",
                          {"--base PROGRAM", "--base-ref COMMIT", "--calibrate"});
    take_scenario(run, options, policy);
    run.base = describe_program(spawner, options.base_ref.empty()
                                             ? program_path(options.base, "--base")
                                             : build_of_merge_base(options.base_ref, policy.build, policy.program));
    run.head = describe_program(spawner, program_path(options.head, "--head"));
    if (!options.budget.empty()) run.budget_s = seconds_of(options.budget);
    run.slow_down = slow_down_of(options.slow_down, run.plan);
    run.seed = options.seed != 0 ? options.seed : std::random_device()();
    constexpr int calibrating_blocks = 24;
    run.blocks = options.calibrate && options.blocks == 0 ? calibrating_blocks : options.blocks;
    run.calibrates = options.calibrate;
    run.stop = &stop_requested;
    run.notice = say;
    return run;
}

/// Factors by which cells are really slowed, by id.
std::map<std::string, double> injected_by(GateRun const& run) {
    std::map<std::string, double> injected;
    for (auto const& cell : run.plan.cells)
        if (double const factor = slow_down_of(run, cell); factor > 1) injected[cell.id] = factor;
    return injected;
}

}  // namespace

Plan plan_of_gate(GateOptions const& options, GatePolicy const& policy) {
    GateRun run;
    take_scenario(run, options, policy);
    return run.plan;
}

void measure_gate(GateRecord& record, GateOptions const& options, std::vector<PolicyRule> const& rules,
                  Transport& world, Spawner& spawner, bool& met) {
    auto const run = run_of(options, record.policy, spawner);
    met = true;
    std::unique_ptr<GateNodes> nodes;
    if (world.size() > 1)
        nodes = std::make_unique<GateRanks>(world, say, run.stop);
    else
        nodes = std::make_unique<GateNode>(spawner, run.stop);
    record.evidence = run_gate(run, *nodes, record.policy, rules);
    record.settings["nodes"] = nodes->count();
    record.settings["seed"] = run.seed;
    record.settings["set"] = run.set;
    record.settings["budget_s"] = run.budget_s;
    if (!run.slow_down.empty()) record.settings["slow_down"] = injected_by(run);
}

void serve_gate(Transport& world, Spawner& spawner) {
    auto const host = host_of_attempts();
    serve(world, {node_name(), host.hardware_class, {}, to_json(host)},
          [&](WorkItem const& item) { return call_build(spawner, build_call_from_json(item.call)); },
          {.stop = &stop_requested, .hurry = &stop_urged, .cancel = [&] { spawner.cancel(); }});
}

}  // namespace kvstone
