// `kvstone run`: scenarios to stored figures. Every rank comes through here; rank 0 plans, deals and stores.

#include <algorithm>
#include <iostream>
#include <map>

#include <fmt/format.h>

#include "backends/backend.hpp"
#include "cluster/cost.hpp"
#include "cluster/dispatcher.hpp"
#include "cluster/node.hpp"
#include "cluster/world.hpp"
#include "harness/attempt.hpp"
#include "harness/cli/cli.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/ranks.hpp"
#include "harness/cli/recovery.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/cli/shell_word.hpp"
#include "harness/cli/stop_signals.hpp"
#include "harness/roofline_probe.hpp"
#include "results/host.hpp"
#include "results/show.hpp"
#include "results/store.hpp"

namespace kvstone {
namespace {

/// Attempts with a roofline probe before and after each that is timed; neighbours on a backend share one.
class Measurer {
  public:
    explicit Measurer(Spawner& spawner) : spawner_(spawner) {}

    Measurement operator()(WorkItem const& item) {
        auto const& cell = item.cell;
        auto const place = std::make_pair(cell.backend, cell.threads);
        if (item.measure.timing && probes_.find(place) == probes_.end()) probes_[place] = probe(cell);
        auto measurement = run_attempt(spawner_, {cell, item.measure, item.attempt_id, item.process});
        if (item.measure.timing) {
            auto const before = probes_[place];
            probes_.clear();  // only the neighbour's is recent
            probes_[place] = probe(cell);
            apply_roofline(measurement, before, probes_[place]);
        }
        return measurement;
    }

  private:
    Roofline probe(Cell const& cell) { return probe_roofline(spawner_, cell.backend, cell.threads); }

    Spawner& spawner_;
    std::map<std::pair<std::string, int>, Roofline> probes_;
};

struct RunOptions : ScenarioOptions {
    bool fresh = false;
    std::string spool;  ///< folder; empty: beside the database
    double patience_s = DispatchOptions{}.lease_slack_s;
};

std::string name_for_people(Cell const& cell) {
    return fmt::format("{} {} {} context {} on {}", workload_text(cell), cell.source_name, cell.codec_name,
                       cell.context, cell.backend);
}

/// One scenario on rank 0: expected cells first, then what earlier runs measured and did not store, then whatever has no
/// standing attempt.
ExitCode run_plan(Plan const& plan, Store& store, Coordinator& coordinator, Host const& host, bool fresh,
                  std::string const& spool) {
    auto const campaign = store.begin_campaign(plan, this_build(), store.hardware_class(to_json(host)), fresh);
    ProgressDisplay display;
    recover_spools(store, spool, [&](std::string const& text) { display.notice(text); });
    std::map<std::string, Cell const*> cells;
    for (auto const& cell : plan.cells) cells[cell.id] = &cell;
    std::vector<WorkItem> items;
    for (auto const& [id, process, losses] : store.pending(campaign))
        items.push_back({*cells.at(id), plan.measure, process, {}, campaign.id, losses});
    estimate_costs(items, recorded_history(store, plan.measure, campaign.hardware_class));

    display.notice(fmt::format("{}: {} cells, {} attempts to make, campaign {}", plan.scenario, plan.cells.size(),
                               items.size(), campaign.id));
    bool required_skipped = false;
    auto const outcome = coordinator.run(
        std::move(items), {.results =
                               [&](std::vector<Measurement> const& measurements) {
                                   store.ingest(campaign, measurements);
                                   for (auto const& measurement : measurements) {
                                       display.attempt(measurement, name_for_people(*cells.at(measurement.cell_id)));
                                       required_skipped |= measurement.status == Status::skipped &&
                                                           std::ranges::count(plan.require, measurement.cell_id) > 0;
                                   }
                               },
                           .lost = [&](Measurement const& measurement) { store.ingest(campaign, {measurement}); },
                           .progress = [&](Progress const& progress) { display.progress(progress); },
                           .notice = [&](std::string const& text) { display.notice(text); }});
    auto const quarantined = store.quarantined(campaign);
    for (auto const& attempt : quarantined)
        display.notice(fmt::format("{}: its worker was lost {} times, so it is left out; --fresh tries again",
                                   name_for_people(*cells.at(attempt.cell)), attempt.losses));
    return worst({outcome.interrupted ? exit_interrupted : exit_pass,
                  outcome.failed > 0 || !quarantined.empty() ? exit_failed_cells : exit_pass,
                  !outcome.missing.empty() || required_skipped ? exit_missing_cells : exit_pass});
}

/// What this rank does among the others, see among_ranks().
ExitCode take_part(Transport& world, Spawner& spawner, CommandLine const& line, RunOptions const& options, bool& met) {
    auto const host = describe_host();
    Measurer measurer(spawner);
    MeasureFunction const measure = [&](WorkItem const& item) { return measurer(item); };
    WorkerInfo const self{node_name(), host.hardware_class, advertised_backends(), to_json(host)};
    auto const spool_folder = options.spool.empty() ? line.database + ".spool" : options.spool;
    Spool spool(spool_folder, self.node);
    if (world.rank() != 0) {
        met = true;
        serve(world, self, measure, {&spool, &stop_requested});
        return exit_pass;
    }
    auto const files = options.files();
    std::vector<Plan> plans;
    for (auto const& file : files) plans.push_back(file.load());
    auto store = Store::open(line.database);
    met = true;
    Coordinator coordinator(world, self, measure,
                            {.stop = &stop_requested, .lease_slack_s = options.patience_s, .spool = &spool});
    // What goes wrong is told before the coordinator waits for the others.
    return told([&] {
        ExitCode code = exit_pass;
        for (auto const& plan : plans) {
            code = worst({code, run_plan(plan, store, coordinator, host, options.fresh, spool_folder)});
            if (code == exit_interrupted) break;
        }
        // A launcher may give its ranks a terminal whose other end is a file.
        show_summary(store, std::cout, {.colour = colour_wanted() && world.size() == 1});
        for (auto const& file : files)
            if (!file.measured.empty())
                std::cout << "beside the bundle's own figures: kvstone compare " << shell_word(file.measured)
                          << " --db " << shell_word(line.database) << '\n';
        return code;
    });
}

ExitCode run(CommandLine const& line, RunOptions const& options) {
    Spawner spawner;  // forks: before MPI and its threads
    auto const world = open_world();
    stop_on_signals();
    return among_ranks(*world, [&](bool& met) { return take_part(*world, spawner, line, options, met); });
}

}  // namespace

void add_run(CommandLine& line) {
    auto options = std::make_shared<RunOptions>();
    auto* command = line.verb("run", "Measure the cells of scenarios and store the figures; goes on where it stopped");
    options->add_to(*command);
    command->add_flag("--fresh", options->fresh, "Measure everything again, as a new campaign");
    command->add_option(
        "--spool", options->spool,
        "Folder where every rank keeps what it measured until it is in the database (default: FILE.spool "
        "beside the database)");
    command
        ->add_option(
            "--patience", options->patience_s,
            "Seconds that a rank may stay silent beyond its attempt's own time limit before its attempt is dealt "
            "again (default: 60)")
        ->check(CLI::Range(0.1, 86400.0));
    command->callback([&line, options] { line.action = [&line, options] { return run(line, *options); }; });
}

}  // namespace kvstone
