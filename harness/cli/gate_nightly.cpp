#include "harness/cli/gate_nightly.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>

#include <fmt/format.h>

#include "harness/cli/cli.hpp"
#include "harness/cli/progress.hpp"
#include "results/query/query.hpp"
#include "results/statistics/median.hpp"
#include "results/statistics/night_simulation.hpp"

namespace kvstone {
namespace {

constexpr double changes[] = {0.02, 0.05, 0.10};
constexpr std::uint64_t most_trials = 1000;
/// Where there is no database: 200 cells, each encoded and decoded.
constexpr std::size_t usual_tests = 400;

std::string said(Delays const& delays) {
    auto const nights = [](std::size_t value) { return value == 0 ? std::string("-") : std::to_string(value); };
    return nights(delays.median) + " / " + nights(delays.nine_of_ten);
}

class Simulation {
  public:
    Simulation(GatePolicy const& policy, double margin, std::size_t tests, GateOptions const& options)
        : policy_(policy), margin_(margin), tests_(tests), options_(options), random_(options.seed + 1) {}

    void add(std::string const& name, std::function<NightSource()> const& nights) {
        say("simulating " + name);
        NightRule rule(tests_, policy_.error_budget, margin_, options_.nights.most_good);
        auto const alarmed = alarmed_years(rule, nights, options_.years);
        Json row{{"nights", name},
                 {"years", alarmed.trials},
                 {"alarmed", alarmed.found},
                 {"family_alarms_a_year_at_most", most_family_alarms(alarmed, tests_)},
                 {"delays", Json::array()}};
        std::vector<QueryValue> cells{name, static_cast<std::int64_t>(alarmed.trials),
                                      static_cast<std::int64_t>(alarmed.found),
                                      fmt::format("{:.3g}%", 100 * most_family_alarms(alarmed, tests_))};
        for (double const change : changes) {
            auto const delays = delays_of(rule, nights, change, std::min(options_.years, most_trials));
            row["delays"].push_back({{"change", change},
                                     {"trials", delays.trials},
                                     {"found", delays.found},
                                     {"median", delays.median},
                                     {"nine_of_ten", delays.nine_of_ten}});
            cells.emplace_back(said(delays));
        }
        rows_.push_back(std::move(row));
        table_.rows.push_back(std::move(cells));
    }

    void print(bool json) const {
        NightRule const rule(tests_, policy_.error_budget, margin_, options_.nights.most_good);
        if (json) {
            std::cout
                << Json{{"tests", tests_},       {"error_budget", policy_.error_budget},     {"margin", margin_},
                        {"level", rule.level()}, {"good_nights", options_.nights.most_good}, {"needed", rule.needed()},
                        {"nights", rows_}}
                       .dump(2)
                << '\n';
            return;
        }
        kvstone::print(std::cout, table_, TableFormat::table, standard_output());
        print_words(fmt::format(
            "\n{} timings beside {} good nights, a margin of {:g}% and an error budget of {:g}% a year: level {:.2g} "
            "for "
            "one timing in one night; at least {} good nights are needed.\nalarmed: years of one timing with a false "
            "alarm; of all timings together at most (95%) the share beside it.\n+5%: nights until such a change is "
            "found, at the median and in nine of ten repetitions; -: more than 60.",
            tests_, options_.nights.most_good, 100 * margin_, 100 * policy_.error_budget, rule.level(), rule.needed()));
    }

    std::mt19937_64& random() { return random_; }

  private:
    GatePolicy const& policy_;
    double margin_;
    std::size_t tests_;
    GateOptions const& options_;
    std::mt19937_64 random_;
    Json rows_ = Json::array();
    QueryResult table_{{"nights", "years", "alarmed", "all timings", "+2%", "+5%", "+10%"}, {}};
};

/// Good nights of every timing, around the median of each.
std::vector<std::vector<double>> stored_nights(Evidence const& evidence, std::vector<PolicyRule> const& rules) {
    std::vector<std::vector<double>> all;
    for (auto const& rule : rules)
        for (auto const& cell : evidence.head.cells) {
            if (!rule.timed() || cell.status != "ok" || !rule.source.cells.takes(cell.cell)) continue;
            for (auto const component : components_of(rule.source.component, rule.metric, cell)) {
                std::vector<double> logs;
                for (auto const& value : night_timing(*evidence.nights, cell.cell.id, rule.metric, component).values)
                    if (value.good) logs.push_back(value.log);
                if (logs.size() < 2) continue;
                double const level = median(logs);
                for (auto& log : logs) log -= level;
                all.push_back(std::move(logs));
            }
        }
    return all;
}

}  // namespace

void add_nightly(CLI::App& command, GateOptions& options) {
    auto* const nightly = command.add_flag(
        "--nightly", options.nightly,
        "Judge the newest night (`run --night`), or the one that --head names, beside the good nights before it");
    for (auto const* const other : {"--run", "--calibrate", "--base", "--base-ref"})
        nightly->excludes(command.get_option(other));
    command
        .add_option("--good", options.nights.good,
                    "With --nightly: nights that are good whatever their gates said, by name; all: all of them")
        ->needs(nightly);
    command.add_option("--drop", options.nights.dropped, "With --nightly: nights that are left out")->needs(nightly);
    command
        .add_option("--since", options.nights.since,
                    "With --nightly: the first night that counts, such as that of a slow-down that was accepted")
        ->needs(nightly);
    command
        .add_option("--nights", options.nights.most_good, "With --nightly: the number of good nights to compare with")
        ->needs(nightly)
        ->check(CLI::Range(1, 365))
        ->capture_default_str();
    command
        .add_option(
            "--simulate", options.years,
            "With --nightly: judge nothing; measure the rate of false alarms and the delays over this number of "
            "simulated years of one timing")
        ->needs(nightly)
        ->check(CLI::Range(1, 10'000'000));
}

void look_up_nights(GateRecord& record, GateOptions const& options, std::string const& database,
                    std::vector<PolicyRule> const& rules) {
    auto& evidence = record.evidence;
    auto wanted = options.nights;
    wanted.head = options.head;
    evidence.nights = read_nights(database, record.policy, wanted, metrics_of(record.policy, rules));
    auto const& series = *evidence.nights;
    evidence.head = series.nights.back().side;
    evidence.head.name = series.nights.back().name;
    if (auto const* good = last_good(series)) {
        evidence.base = good->side;
        evidence.base->name = good->name;
    }
    evidence.tests = night_tests(rules, evidence.head);
}

ExitCode simulate_nights(CommandLine const& line, GateOptions const& options) {
    GateRecord record;
    record.policy = load_policy(policy_path(options.policy));
    if (!options.rules.empty()) keep_rules(record.policy, options.rules);
    auto const rules = rules_of(record.policy);
    auto const timed = std::ranges::find_if(rules, &PolicyRule::timed);
    if (timed == rules.end())
        throw ConfigError("the policy has no rule about a timing", options.policy, {"decode_ns no worse than 5%"});
    bool const stored = std::filesystem::exists(line.database);
    if (stored) look_up_nights(record, options, line.database, rules);
    Simulation simulation(record.policy, timed->source.margin.value_or(record.policy.margin),
                          stored ? std::max<std::size_t>(record.evidence.tests, 1) : usual_tests, options);
    for (auto const& noise : night_noises())
        simulation.add(noise.name, [&] { return nights_of(noise, simulation.random()); });
    if (auto const nights = stored ? stored_nights(record.evidence, rules) : std::vector<std::vector<double>>{};
        !nights.empty())
        simulation.add(fmt::format("stored nights of {} timings", nights.size()), [&] {
            return nights_again(nights[simulation.random()() % nights.size()], simulation.random());
        });
    simulation.print(line.json);
    return exit_pass;
}

}  // namespace kvstone
