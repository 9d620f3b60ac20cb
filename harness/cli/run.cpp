// `kvstone run`: scenarios to stored figures. Every rank comes through here; rank 0 plans, deals and stores.

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "backends/powercap.hpp"
#include "cluster/cost.hpp"
#include "cluster/dispatcher.hpp"
#include "cluster/node.hpp"
#include "cluster/world.hpp"
#include "harness/attempts/abilities.hpp"
#include "harness/attempts/attempt.hpp"
#include "harness/attempts/roofline_probe.hpp"
#include "harness/attempts/shell_word.hpp"
#include "harness/attempts/work_instrument.hpp"
#include "harness/cli/cli.hpp"
#include "harness/cli/progress.hpp"
#include "harness/cli/ranks.hpp"
#include "harness/cli/recovery.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/cli/stop_signals.hpp"
#include "harness/planning/plan_of_file.hpp"
#include "harness/planning/skipped_cells.hpp"
#include "harness/workloads/entropy/entropy.hpp"
#include "results/query/recorded_history.hpp"
#include "results/query/show.hpp"
#include "results/store/store.hpp"

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
    std::string night;
    bool of_night = false;  ///< --night was given, with whatever name
    std::string spool;      ///< folder; empty: beside the database
    double patience_s = DispatchOptions{}.lease_slack_s;
    std::optional<double> grace_s;   ///< nothing: as stop_grace_s() says
    std::vector<std::string> retry;  ///< ids of cells, or how they start
};

/// Options and connections for every plan of a run.
struct RunTools {
    Store& store;
    Coordinator& coordinator;
    Host const& host;
    RunOptions const& options;
    std::string spool;
    Locking locking;
    std::vector<SpooledAttempt> suspects = {};  ///< were under way when an earlier run died
    std::string instrument = {};                ///< of the plan under way, see Host
    bool recovered = false;                     ///< spools of earlier runs were read
};

double grace_s(RunOptions const& options) {
    return options.grace_s.value_or(stop_grace_s([](char const* name) { return std::getenv(name); }));
}

bool wanted_again(std::string const& cell, RunOptions const& options) {
    return std::ranges::any_of(options.retry, [&](std::string const& start) { return cell.starts_with(start); });
}

/// Throws ConfigError where --retry names no cell of the plans.
void check_retry(std::vector<Plan> const& plans, RunOptions const& options) {
    for (auto const& start : options.retry) {
        bool const named = std::ranges::any_of(plans, [&](Plan const& plan) {
            return std::ranges::any_of(plan.cells, [&](Cell const& cell) { return cell.id.starts_with(start); });
        });
        if (!named || start.empty())
            throw ConfigError("--retry names no cell of this scenario", start,
                              {"the id of a cell, or its first digits: kvstone query @cells"});
    }
}

/// Throws ConfigError where the night's name could be taken for something else, or is what a date that failed leaves.
void check_night(std::string const& night) {
    constexpr std::size_t longest = 64;
    bool const spelt = std::ranges::all_of(
        night, [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '+'; });
    if (!spelt || night.empty() || night.size() > longest || night.starts_with('-') || night == "latest")
        throw ConfigError("--night takes a name for this night", night,
                          {"letters, digits and -_.+, 64 at most: --night \"$(date +%F)\""});
}

/// The attempts still to be made, in plan order, and those left out that --retry names.
std::vector<WorkItem> items_of(Plan const& plan, Campaign const& campaign,
                               std::map<std::string, Cell const*> const& cells, RunTools const& tools) {
    std::vector<WorkItem> items;
    for (auto const& [id, process, losses] : tools.store.pending(campaign))
        items.push_back({*cells.at(id), plan.measure, process, {}, campaign.id, nullptr, losses});
    for (auto const& [id, process, losses] : tools.store.quarantined(campaign))
        if (wanted_again(id, tools.options)) items.push_back({*cells.at(id), plan.measure, process, {}, campaign.id});
    for (auto& item : items)
        item.suspected = std::ranges::any_of(tools.suspects, [&](SpooledAttempt const& suspect) {
            return suspect.campaign == campaign.id && suspect.measurement.cell_id == item.cell.id &&
                   suspect.measurement.process == item.process;
        });
    estimate_costs(items, recorded_history(tools.store, plan.measure, campaign.hardware_class));
    return items;
}

std::string name_for_people(Cell const& cell) {
    return fmt::format("{} {} {} context {} on {}", workload_text(cell), cell.source_name, cell.codec_name,
                       cell.context, cell.backend);
}

/// Says once why this node's rows will have no energy, where they will have none.
void say_untold_energy(Plan const& plan) {
    bool const of_processor = std::ranges::any_of(plan.cells, [](Cell const& cell) { return cell.backend != "cuda"; });
    if (!of_processor) return;  // attempts alone see devices
    if (auto const problem = powercap_counters().problem; !problem.empty())
        say(fmt::format("{}: no energy on this node: {}", plan.scenario, problem));
}

/// One scenario on rank 0: expected cells first, then results that earlier runs did not store, then the attempts that
/// have no standing attempt.
ExitCode run_plan(Plan const& plan, RunTools& tools) {
    auto& store = tools.store;
    auto const host = tools.instrument.empty()
                          ? tools.host
                          : host_of_attempts(counted_vector_units(tools.host.vector_units), tools.instrument);
    auto const campaign = store.begin_campaign(plan, this_build(), store.hardware_class(to_json(host)),
                                               tools.options.fresh, tools.options.night);
    ProgressDisplay display;
    auto const notice = [&](std::string const& text) { display.notice(text); };
    // Without locks the spools of this run look abandoned, too, once it has some.
    if (tools.locking == Locking::file || !std::exchange(tools.recovered, true)) {
        auto const under_way = recover_spools(store, tools.spool, tools.locking, notice);
        tools.suspects.insert(tools.suspects.end(), under_way.begin(), under_way.end());
    }
    std::map<std::string, Cell const*> cells;
    for (auto const& cell : plan.cells) cells[cell.id] = &cell;
    auto items = items_of(plan, campaign, cells, tools);
    if (auto const suspected = std::ranges::count_if(items, &WorkItem::suspected); suspected > 0)
        display.notice(
            fmt::format("{} attempts were under way when an earlier run died: they will be made last", suspected));

    display.notice(fmt::format("{}: {} cells, {} attempts to make, campaign {}{}", plan.scenario, plan.cells.size(),
                               items.size(), campaign.id,
                               tools.options.of_night ? ", night " + tools.options.night : ""));
    if (auto const skipped = items.empty() ? "" : skipped_text(plan, skipped_cells(plan)); !skipped.empty())
        display.notice(skipped);
    bool required_skipped = false;
    auto const outcome = tools.coordinator.run(
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
                           .notice = notice});
    auto const quarantined = store.quarantined(campaign);
    for (auto const& attempt : quarantined)
        display.notice(
            fmt::format("{}: the cell is left out, because its worker was lost {} times; --retry {} tries it again",
                        name_for_people(*cells.at(attempt.cell)), attempt.losses, attempt.cell));
    return worst({outcome.interrupted ? exit_interrupted : exit_pass,
                  store.failed_cells(campaign) > 0 || !quarantined.empty() ? exit_failed_cells : exit_pass,
                  !outcome.missing.empty() || required_skipped ? exit_missing_cells : exit_pass});
}

/// This rank's part among the others, see among_ranks().
ExitCode take_part(Transport& world, Spawner& spawner, CommandLine const& line, RunOptions const& options, bool& met) {
    auto const abilities = abilities_of_attempts(spawner);
    auto const host = host_of_attempts(abilities.vector_units);
    Measurer measurer(spawner);
    MeasureFunction const measure = [&](WorkItem const& item) { return measurer(item); };
    WorkerInfo const self{node_name(), host.hardware_class, abilities.backends, to_json(host)};
    auto const spool_folder = options.spool.empty() ? line.database + ".spool" : options.spool;
    Spool spool(spool_folder, self.node, line.locking);
    auto const cancel = [&] { spawner.cancel(); };
    if (world.rank() != 0) {
        met = true;
        serve(world, self, measure, {&spool, &stop_requested, &stop_urged, cancel});
        return exit_pass;
    }
    auto const files = options.files();
    std::vector<Plan> plans;
    for (auto const& file : files) plans.push_back(load_plan(file, say));
    check_retry(plans, options);
    if (options.of_night) check_night(options.night);
    auto store = Store::open(line.database, line.locking);
    met = true;
    Coordinator coordinator(world, self, measure,
                            {.stop = &stop_requested,
                             .hurry = &stop_urged,
                             .grace_left_s = [&] { return grace_s(options); },
                             .lease_slack_s = options.patience_s,
                             .spool = &spool,
                             .cancel = cancel});
    // Errors are printed before the coordinator waits for the others.
    return told([&] {
        RunTools tools{store, coordinator, host, options, spool_folder, line.locking};
        ExitCode code = exit_pass;
        for (auto const& plan : plans) {
            if (plan.measure.energy) say_untold_energy(plan);
            tools.instrument = plan.measure.work ? instrument_of_attempts(spawner, *plan.measure.work) : "";
            code = worst({code, run_plan(plan, tools)});
            if (code == exit_interrupted) break;
        }
        // A launcher may give its ranks a terminal whose other end is a file.
        auto screen = standard_output();
        screen.colour = screen.colour && world.size() == 1;
        show_summary(store, std::cout, {.screen = screen, .coded_values = coded_values});
        for (auto const& file : files)
            if (!file.measured.empty())
                std::cout << "beside the bundle's own figures: kvstone compare " << shell_word(file.measured)
                          << " --db " << shell_word(line.database) << '\n';
        return code;
    });
}

ExitCode run(CommandLine const& line, RunOptions const& options) {
    Spawner spawner;  // forks: before MPI and its threads
    stop_on_signals();
    auto const world = open_world();
    return among_ranks(*world, [&](bool& met) { return take_part(*world, spawner, line, options, met); });
}

}  // namespace

ExitCode run_scenarios(CommandLine const& line, std::vector<std::string> scenarios) {
    RunOptions options;
    options.scenarios = std::move(scenarios);
    return run(line, options);
}

void add_run(CommandLine& line) {
    auto options = std::make_shared<RunOptions>();
    auto* command =
        line.verb("run", "Measure the cells of scenarios and store the figures; a stopped run is continued",
                  {"kvstone run quickstart", "kvstone run mine.yaml --set 'grid.context=[4096]' --db mine.db"});
    options->add_to(*command);
    line.add_lock(*command);
    command->add_flag("--fresh", options->fresh, "Measure everything again, as a new campaign");
    auto* night = command->add_option(
        "--night", options->night,
        "Measure everything once for this name: --night \"$(date +%F)\". A run with the same name goes on, one with "
        "another name begins a new campaign, on the same build too");
    command->add_option(
        "--spool", options->spool,
        "Folder in which every rank keeps its measurements until they are in the database (default: FILE.spool "
        "beside the database)");
    command
        ->add_option(
            "--patience", options->patience_s,
            "Seconds that a rank may stay silent beyond its attempt's own time limit before its attempt is dealt "
            "again (default: 60)")
        ->check(CLI::Range(0.1, 86400.0));
    command
        ->add_option("--grace", options->grace_s,
                     "Seconds that attempts under way may go on after an interruption; a second signal ends them at "
                     "once (default: "
                     "after SIGUSR1 until 20 s before the end of the Slurm job, else 10)")
        ->check(CLI::Range(0.0, 86400.0));
    command->add_option(
        "--retry", options->retry,
        "A cell, by its id or the first digits of it, to try again: it was left out because its worker was lost "
        "twice");
    command->callback([&line, options, night] {
        options->of_night = night->count() > 0;
        line.action = [&line, options] { return run(line, *options); };
    });
}

}  // namespace kvstone
