// `kvstone gate`: a policy's verdict over a campaign, over two, or over two builds measured in turns.

#include <filesystem>
#include <iostream>
#include <random>
#include <sstream>

#include <fmt/format.h>

#include "cluster/world.hpp"
#include "harness/cli/cli.hpp"
#include "harness/cli/gate_measure.hpp"
#include "harness/cli/gate_nightly.hpp"
#include "harness/cli/output_file.hpp"
#include "harness/cli/ranks.hpp"
#include "harness/cli/stop_signals.hpp"
#include "harness/planning/vocabulary.hpp"
#include "results/record/utc.hpp"
#include "results/record/wrapped.hpp"
#include "results/verdict/calibration.hpp"
#include "results/verdict/gate_text.hpp"

namespace kvstone {
namespace {

std::string random_id() {
    std::random_device device;
    return fmt::format("{:08x}{:08x}", device(), device());
}

void look_up(GateRecord& record, GateOptions const& options, std::string const& database,
             std::vector<PolicyRule> const& rules) {
    auto const wanted = metrics_of(record.policy, rules);
    auto& evidence = record.evidence;
    auto const base = options.base.empty() ? record.policy.base : options.base;
    if (base.empty()) {
        evidence.head = read_side(database, options.head, {}, wanted);
    } else {
        std::tie(evidence.base, evidence.head) = read_sides(database, base, options.head, wanted);
        expect_two_campaigns(*evidence.base, evidence.head);
    }
}

/// Says where a rule asks for less than this kind of machine was seen to show.
void warn_by_calibration(GateRecord& record, std::string const& database, std::vector<PolicyRule> const& rules) {
    if (!std::filesystem::exists(database)) return;
    auto const calibration = newest_calibration(Store::open_read_only(database), record.evidence.head.hardware_class);
    if (calibration.is_null() || !calibration.contains("detectable_median")) return;
    for (auto const& rule : rules)
        if (rule.timed() &&
            (calibration["detectable_median"].is_null() || calibration["detectable_median"] > rule.worse_by))
            record.outcome.notices.push_back(fmt::format(
                "'{}' asks for smaller changes than the calibration of {} could detect here: {}", rule.source.name,
                calibration["started_utc"].get<std::string>().substr(0, 10),
                calibration["detectable_median"].is_null()
                    ? std::string("nothing at the median cell")
                    : fmt::format("{:.1f}% at the median cell", 100 * calibration["detectable_median"].get<double>())));
}

ExitCode calibrate(GateRecord& record, CommandLine const& line, GateOptions const& options) {
    auto const result = calibrated(record, 300, 1);
    record.settings.update(result);
    record.kind = "calibration";
    record.finished_utc = utc_now();
    if (!options.keep_nothing) {
        auto store = Store::open(line.database, line.locking);
        store_gate(store, record);
    }
    if (line.json)
        std::cout << result.dump(2) << '\n';
    else
        std::cout << wrapped(calibration_text(result), standard_output().columns, 2);
    if (!line.json && !options.keep_nothing)
        print_words(fmt::format("`kvstone explain {}` draws its campaigns again", record.uid.substr(0, 8)));
    return stop_requested ? exit_interrupted : exit_pass;
}

void write(std::string const& file, GateRecord const& record, void (*print)(std::ostream&, GateRecord const&)) {
    if (file.empty()) return;
    std::ostringstream text;
    print(text, record);
    write_output(file, text.str());
}

/// Policy and evidence. `measure` is for a gate that measures.
GateRecord gathered(CommandLine const& line, GateOptions const& options, MeasureGate const& measure) {
    GateRecord record;
    record.uid = random_id();
    record.started_utc = utc_now();
    record.policy = load_policy(policy_path(options.policy));
    if (!options.rules.empty()) {
        keep_rules(record.policy, options.rules);
        record.settings["rules"] = options.rules;
    }
    auto const rules = rules_of(record.policy);
    record.kind = measure ? "run" : "stored";
    if (measure)
        measure(record, rules);
    else if (options.nightly)
        look_up_nights(record, options, line.database, rules);
    else
        look_up(record, options, line.database, rules);
    record.evidence.today = record.started_utc.substr(0, 10);
    record.evidence.across_toolchains = options.across_toolchains;
    return record;
}

/// Judges the evidence, and stores the gate.
void decide(GateRecord& record, CommandLine const& line, GateOptions const& options) {
    auto const rules = rules_of(record.policy);
    record.outcome = judge_gate(record.policy, rules, record.evidence);
    if (!record.evidence.nights) warn_by_calibration(record, line.database, rules);
    auto verdict = record.outcome.verdict;
    bool const inconclusive_fails =
        options.inconclusive.empty() ? record.policy.inconclusive_fails : options.inconclusive == "fail";
    if (verdict == Verdict::inconclusive && !inconclusive_fails) verdict = Verdict::advisory;
    record.exit_code = stop_requested ? exit_interrupted : exit_code_of(verdict);
    record.finished_utc = utc_now();
    if (record.evidence.nights)
        if (auto const since = first_night_of(*record.evidence.nights, record.outcome.findings); !since.empty())
            record.settings["since"] = since;
    if (options.keep_nothing) return;
    auto store = Store::open(line.database, line.locking);
    store_gate(store, record);
    if (!options.baseline.empty() && record.exit_code == exit_pass && !record.evidence.head.campaign.empty())
        set_baseline(store, options.baseline, record.evidence.head.campaign, record.uid);
}

ExitCode judge(CommandLine const& line, GateOptions const& options, MeasureGate const& measure) {
    auto record = gathered(line, options, measure);
    if (options.calibrate) return calibrate(record, line, options);
    decide(record, line, options);
    if (line.json)
        std::cout << gate_json(record).dump(2) << '\n';
    else
        print_gate(std::cout, record, standard_output());
    if (options.github) print_gate_github(std::cout, record);
    write(options.markdown, record, print_gate_markdown);
    write(options.junit, record, print_gate_junit);
    return static_cast<ExitCode>(record.exit_code);
}

ExitCode gate(CommandLine const& line, GateOptions const& options) {
    if (options.years > 0) return simulate_nights(line, options);
    if (!options.run && !options.calibrate) return judge(line, options, {});
    Spawner spawner;  // forks: before MPI and its threads
    stop_on_signals();
    auto const world = open_world();
    return among_ranks(*world, [&](bool& met) {
        if (world->rank() == 0)
            return judge(line, options, [&](GateRecord& record, std::vector<PolicyRule> const& rules) {
                measure_gate(record, options, rules, *world, spawner, met);
            });
        met = true;
        serve_gate(*world, spawner);
        return exit_pass;
    });
}

}  // namespace

std::string policy_path(std::string const& name) {
    if (std::filesystem::exists(name) || name.find('/') != std::string::npos) return name;
    auto const shipped = std::filesystem::path(scenario_library()) / "gates" / (name + ".yaml");
    return std::filesystem::exists(shipped) ? shipped.string() : name;
}

GateRecord decided_gate(CommandLine const& line, GateOptions const& options, MeasureGate const& measure) {
    auto record = gathered(line, options, measure);
    decide(record, line, options);
    return record;
}

void add_gate(CommandLine& line) {
    auto options = std::make_shared<GateOptions>();
    auto* command =
        line.verb("gate", "Judge a campaign, or two builds measured in turns, by a policy; exit code 0, 1, 3, 4 or 5",
                  {"kvstone gate ci --run --base-ref origin/main --junit gate.xml",
                   "kvstone gate ci --nightly --drop 2026-03-01"});
    command->add_option("policy", options->policy, "YAML file, or the name of a shipped policy: ci")->required();
    command->add_option("--base", options->base,
                        "The campaign to compare with, as `compare` takes it; with --run a program");
    command->add_option(
        "--head", options->head,
        "The campaign to judge (default: the latest one, of the base's scenario where there is a base); with --run a "
        "program (default: this one); with --nightly a night");
    command->add_flag("--run", options->run, "Measure base and head in turns, on this node or over those of mpirun");
    command->add_flag("--calibrate", options->calibrate,
                      "Measure one build against itself and store which changes this machine can detect");
    command->add_option("--base-ref", options->base_ref,
                        "With --run: build the merge base of this commit and HEAD by the policy's build command");
    command->add_option("--scenario", options->scenario, "With --run: the scenario, in place of the policy's");
    command->add_option("--set", options->set, "With --run: KEY=VALUE into the scenario, after the policy's");
    add_nightly(*command, *options);
    command->add_option("--rule", options->rules,
                        "Judge this rule of the policy alone, without coverage; may be given several times");
    command->add_option("--only", options->only, "With --run: cells whose text, codec name or id has this word");
    command->add_option(
        "--budget", options->budget,
        "With --run: the time that it may take, such as 15m; cells for which there is no time are missing");
    command->add_option("--seed", options->seed, "With --run: seed of the order of blocks (default: random)");
    command
        ->add_option(
            "--blocks", options->blocks,
            "Blocks of each cell in the first stage (default: 8, and up to 32 while --budget lasts and an effect "
            "could not be detected yet), or with --calibrate (default: 24)")
        ->check(CLI::Range(8, 1000));
    command->add_option("--inject-slowdown", options->slow_down,
                        "With --run: make codecs slower in the head, CODEC=1.05 or all=1.05");
    command->add_option("--inconclusive", options->inconclusive, "fail (exit code 3) or warn; default: the policy's")
        ->check(CLI::IsMember({"fail", "warn"}));
    command->add_flag("--across-toolchains", options->across_toolchains,
                      "Judge differences although the two sides have different toolchains");
    command->add_option("--markdown", options->markdown, "Write the answer to this file as Markdown");
    command->add_option("--junit", options->junit, "Write the answer to this file as JUnit XML");
    command->add_flag("--github", options->github, "Print annotations for GitHub's workflows");
    command->add_option("--set-baseline", options->baseline,
                        "Give the judged campaign this name where the gate passes");
    line.add_lock(*command);
    command->add_flag("--no-store", options->keep_nothing, "Store no decisions: `kvstone explain` will find none");
    command->callback([&line, options, command] {
        if (!options->run && !options->calibrate)
            for (auto const* name :
                 {"--base-ref", "--scenario", "--set", "--only", "--budget", "--seed", "--blocks", "--inject-slowdown"})
                if (command->count(name) > 0) throw CLI::RequiresError(name, "--run");
        line.action = [&line, options] { return gate(line, *options); };
    });
}

}  // namespace kvstone
