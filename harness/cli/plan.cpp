// `kvstone plan`: the cells that a run would measure, without measuring them.

#include <filesystem>
#include <iostream>
#include <map>

#include <fmt/format.h>

#include "cluster/cost.hpp"
#include "harness/attempts/abilities.hpp"
#include "harness/cli/cli.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/cli/simulation.hpp"
#include "harness/planning/skipped_cells.hpp"
#include "results/query/query.hpp"
#include "results/query/recorded_history.hpp"

namespace kvstone {
namespace {

constexpr int told_nodes[] = {1, 2, 4, 8, 16};

struct PlanVerbOptions : ScenarioOptions {
    std::string simulate;
};

/// A plan with what it is likely to take.
struct CostedPlan {
    std::vector<WorkItem> items;                 ///< of cells that have something to measure
    std::map<std::string, std::string> skipped;  ///< why the others have not, by their ids
    EstimateSources sources;
    double spread = 0;  ///< recorded; 0: not known
    double total_s = 0;
    std::map<int, double> makespans_s;  ///< by told_nodes, simulated as if every estimate were right
};

CostedPlan costed(Plan const& plan, std::string const& database) {
    CostedPlan result;
    result.skipped = skipped_cells(plan);
    for (auto const& cell : plan.cells) {
        if (result.skipped.contains(cell.id)) continue;
        for (int process = 0; process < plan.measure.processes; ++process)
            result.items.push_back({cell, plan.measure, process, {}});
    }
    History history;
    if (std::filesystem::exists(database)) {
        auto const store = Store::open_read_only(database);
        history = recorded_history(store, plan.measure, store.hardware_class(to_json(host_of_attempts())));
    }
    result.sources = estimate_costs(result.items, history);
    result.spread = history.spread;
    for (auto const& item : result.items) result.total_s += item.estimated_s;
    Simulator const simulator(result.items, {.spread = 0});
    for (int const nodes : told_nodes) result.makespans_s[nodes] = simulator.run(nodes).makespan_s;
    return result;
}

QueryResult table_of(Plan const& plan) {
    QueryResult table{{"cell", "workload", "source", "context", "batch", "page", "codec", "backend", "threads"}, {}};
    for (auto const& cell : plan.cells)
        table.rows.push_back({cell.id, workload_text(cell), cell.source_name, static_cast<std::int64_t>(cell.context),
                              static_cast<std::int64_t>(cell.batch), static_cast<std::int64_t>(cell.page),
                              cell.codec_name, cell.backend, std::int64_t{cell.threads}});
    return table;
}

void print_cells(Plan const& plan) {
    std::string said;
    auto const table = said_once(table_of(plan), {"cell", "codec"}, said);
    print(std::cout, table, TableFormat::table, standard_output());
    std::cout << '\n';
    if (!said.empty()) print_words(said);
}

std::string makespans_text(CostedPlan const& plan) {
    std::string text;
    for (auto const& [nodes, makespan_s] : plan.makespans_s)
        text += fmt::format("{}{} on {}", nodes == 1 ? "about " : ", ", duration_text(makespan_s),
                            nodes == 1 ? "one node" : fmt::format("{}", nodes));
    return text;
}

std::string sources_text(EstimateSources const& sources) {
    return fmt::format("estimates: {} from attempts at the same cell, {} scaled by attempts at others, {} guessed",
                       sources.recorded, sources.scaled, sources.guessed);
}

Json json_of(Plan const& plan, CostedPlan const& costs) {
    Json cells = Json::array();
    for (auto const& cell : plan.cells) {
        cells.push_back(to_json(cell));
        if (auto const why = costs.skipped.find(cell.id); why != costs.skipped.end())
            cells.back()["skipped"] = why->second;
    }
    Json estimated = Json::object();
    for (auto const& [nodes, makespan_s] : costs.makespans_s) estimated[std::to_string(nodes)] = makespan_s;
    return {
        {"scenario", plan.scenario},
        {"plan", plan.hash},
        {"measure", to_json(plan.measure)},
        {"estimated_s", costs.total_s},
        {"estimated_s_by_nodes", std::move(estimated)},
        {"estimates",
         {{"recorded", costs.sources.recorded}, {"scaled", costs.sources.scaled}, {"guessed", costs.sources.guessed}}},
        {"cells", std::move(cells)}};
}

ExitCode show_plans(CommandLine const& line, PlanVerbOptions const& options) {
    Json all = Json::array();
    for (auto const& plan : options.load()) {
        auto const costs = costed(plan, line.database);
        std::vector<Simulation> simulations;
        SimulationRequest request;
        if (!options.simulate.empty()) {
            request = SimulationRequest::parse(options.simulate);
            if (costs.spread > 0 && !request.spread_given) request.options.spread = costs.spread;
            Simulator const simulator(costs.items, request.options);
            for (int const nodes : request.nodes) simulations.push_back(simulator.run(nodes));
        }
        if (line.json) {
            all.push_back(json_of(plan, costs));
            if (!simulations.empty()) all.back()["simulation"] = to_json(request, simulations);
            continue;
        }
        if (simulations.empty()) print_cells(plan);
        if (auto const skipped = skipped_text(plan, costs.skipped); !skipped.empty()) print_words(skipped);
        print_words(fmt::format(
            "{}: {} cells x {} process(es){} (plan {})", plan.scenario, plan.cells.size(), plan.measure.processes,
            costs.skipped.empty() ? "" : fmt::format(", {} cells skipped", costs.skipped.size()), plan.hash));
        if (simulations.empty()) print_words(makespans_text(costs));
        print_words(sources_text(costs.sources));
        if (simulations.empty()) continue;
        print_words(assumptions(request, costs.spread > 0) + "\n");
        print_simulations(simulations);
    }
    if (line.json) std::cout << all.dump(2) << '\n';
    return exit_pass;
}

}  // namespace

void add_plan(CommandLine& line) {
    auto options = std::make_shared<PlanVerbOptions>();
    auto* command =
        line.verb("plan", "Show the cells of a scenario, their number and an estimate of the time they take",
                  {"kvstone plan quickstart", "kvstone plan quickstart --simulate nodes=1,8,64"});
    options->add_to(*command);
    command->add_option("--simulate", options->simulate,
                        "Run the scheduler on a simulated cluster instead: nodes=1,8,64[,mtbf=HOURS][,back=MINUTES]"
                        "[,spread=DEVIATION][,attempt=MILLISECONDS][,notice=SECONDS][,seed=N]");
    command->callback([&line, options] { line.action = [&line, options] { return show_plans(line, *options); }; });
}

}  // namespace kvstone
