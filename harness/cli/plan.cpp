// `kvstone plan`: what a run would measure, without measuring it.

#include <iostream>

#include <fmt/format.h>

#include "harness/cli/cli.hpp"
#include "harness/cli/scenario_options.hpp"
#include "results/query.hpp"

namespace kvstone {
namespace {

/// Passes of encode and decode over K and V, and what surrounds them: a guess, printed as one.
double estimated_s(Measure const& measure) { return measure.processes * (measure.min_time_s * 4 + 1.0); }

QueryResult table_of(Plan const& plan) {
    QueryResult table{{"cell", "workload", "source", "context", "batch", "page", "codec", "backend", "threads"}, {}};
    for (auto const& cell : plan.cells)
        table.rows.push_back({cell.id, workload_text(cell), cell.source_name, static_cast<std::int64_t>(cell.context),
                              static_cast<std::int64_t>(cell.batch), static_cast<std::int64_t>(cell.page),
                              cell.codec_name, cell.backend, std::int64_t{cell.threads}});
    return table;
}

}  // namespace

void add_plan(CommandLine& line) {
    auto options = std::make_shared<ScenarioOptions>();
    auto* command =
        line.verb("plan", "Show the cells of a scenario, their number and an estimate of the time they take");
    options->add_to(*command);
    command->callback([&line, options] {
        line.action = [&line, options] {
            Json all = Json::array();
            for (auto const& plan : options->load()) {
                double const total_s = estimated_s(plan.measure) * static_cast<double>(plan.cells.size());
                if (line.json) {
                    Json cells = Json::array();
                    for (auto const& cell : plan.cells) cells.push_back(to_json(cell));
                    all.push_back({{"scenario", plan.scenario},
                                   {"plan", plan.hash},
                                   {"measure", to_json(plan.measure)},
                                   {"estimated_s", total_s},
                                   {"cells", std::move(cells)}});
                    continue;
                }
                print(std::cout, table_of(plan), TableFormat::table, colour_wanted());
                fmt::print("{}: {} cells x {} process(es), about {:.0f} s on one node (plan {})\n", plan.scenario,
                           plan.cells.size(), plan.measure.processes, total_s, plan.hash);
            }
            if (line.json) std::cout << all.dump(2) << '\n';
            return exit_pass;
        };
    });
}

}  // namespace kvstone
