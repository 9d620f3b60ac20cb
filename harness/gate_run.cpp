#include "harness/gate_run.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <set>

#include <fmt/format.h>

#include "results/host.hpp"
#include "results/verdict/record.hpp"

namespace kvstone {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double program_slack_s = 60;     ///< beyond the attempt's own time limit
constexpr double expected_suspects = 0.1;  ///< of all cells, for planning: twice what chance brings
constexpr std::size_t largest_padding = 4096;

ChildCommand command_of(Spawner const& spawner, std::vector<std::string> words) {
    auto command = attempt_command(spawner, "openmp", 1, 0);
    command.environment.erase("KVSTONE_ATTEMPT");  // each build has its own beside it
    command.data_bytes = command.memory_bytes = 0;
    // What a program prints is wanted on descriptor 3.
    command.arguments = {"/bin/sh", "-c", "exec \"$0\" \"$@\" >&3"};
    command.arguments.insert(command.arguments.end(), words.begin(), words.end());
    return command;
}

/// The last line that is not empty.
std::string last_line(std::string const& text) {
    auto const end = text.find_last_not_of('\n') + 1;  // 0: there is none
    auto const before = end == 0 ? std::string::npos : text.rfind('\n', end - 1);
    auto const begin = before == std::string::npos ? 0 : before + 1;
    return text.substr(begin, end - begin);
}

/// A spawner and an environment of its own size: what a launch does to a program by chance.
class Launch {
  public:
    Launch(int number, std::mt19937_64& random) : number_(number), padding_(random() % largest_padding, 'x') {}

    int number() const { return number_; }
    Measurement attempt(GateRun const& run, Cell const& cell, char side) {
        bool const slow = side == 'B' && !run.slow_codec.empty() &&
                          (run.slow_codec == cell.codec_name || run.slow_codec == cell.codec);
        std::vector<std::string> words{side == 'A' ? run.base : run.head, "attempt", cell.id, run.scenario, "--json"};
        for (auto const& set : run.set) words.insert(words.end(), {"--set", set});
        if (slow) words.insert(words.end(), {"--slow-down", fmt::format("{}", run.slow_factor)});
        auto command = command_of(spawner_, std::move(words));
        command.environment["KVSTONE_LAUNCH"] = padding_;
        command.timeout_s = run.plan.measure.timeout_s + program_slack_s;
        auto const outcome = spawner_.run(command);
        Measurement measurement;
        try {
            measurement = measurement_from_json(Json::parse(outcome.output));
        } catch (std::exception const&) {
            measurement.status = outcome.timed_out ? Status::timeout : Status::crash;
            measurement.reason =
                fmt::format("{} gave no answer (exit code {})", side == 'A' ? run.base : run.head, outcome.exit_code);
            measurement.stderr_tail = outcome.stderr_tail;
            if (auto const last = last_line(outcome.stderr_tail); !last.empty()) measurement.reason += ": " + last;
        }
        measurement.cell_id = cell.id;
        measurement.profiles.clear();  // no rule is about them
        return measurement;
    }

  private:
    int number_;
    std::string padding_;
    Spawner spawner_;
};

class Turns {
  public:
    Turns(GateRun const& run, GatePolicy const& policy, std::vector<PolicyRule> const& rules)
        : run_(run), policy_(policy), rules_(rules), random_(run.seed) {
        for (auto const& cell : run.plan.cells) cells_[cell.id] = &cell;
    }

    Evidence measure() {
        evidence_.measured = true;
        evidence_.base = side(run_.base);
        evidence_.head = side(run_.head);
        probe();
        auto const tests = timing_tests(rules_, evidence_.head);
        std::map<std::string, std::size_t> tests_of;
        for (auto const& test : tests) ++tests_of[test.cell->cell.id];
        auto const timed = within_budget(tests_of);
        for (auto const& test : tests) evidence_.tests += timed.contains(test.cell->cell.id) ? 1U : 0U;
        auto const stages =
            two_stage_for(std::max<std::size_t>(evidence_.tests, 1), policy_.error_budget, policy_.margin);
        tell(fmt::format("{} cells, {} timings of {} cells in {} blocks of 4 processes", run_.plan.cells.size(),
                         evidence_.tests, timed.size(), run_.blocks > 0 ? run_.blocks : stages.screen_blocks));
        if (run_.blocks > 0) {
            rounds("confirm", run_.blocks, {timed.begin(), timed.end()}, true);
            return std::move(evidence_);
        }
        rounds("screen", stages.screen_blocks, {timed.begin(), timed.end()}, false);
        tell_detectable(tests);
        std::set<std::string> suspects;
        for (auto const& test : tests) {
            auto const& rule = rules_[test.rule];
            auto const blocks =
                block_effects(evidence_.attempts, test.cell->cell.id, "screen", rule.metric, test.component);
            if (timed.contains(test.cell->cell.id) && suspected(stages_of(policy_, rule, evidence_.tests), blocks))
                suspects.insert(test.cell->cell.id);
        }
        if (!suspects.empty()) {
            tell(fmt::format("{} cells are suspected: {} confirming blocks, each a launch of its own", suspects.size(),
                             stages.confirm_blocks));
            rounds("confirm", stages.confirm_blocks, {suspects.begin(), suspects.end()}, true);
        }
        add_attempts(*evidence_.base, from_second_stage_on(), 'A');
        add_attempts(evidence_.head, from_second_stage_on(), 'B');
        return std::move(evidence_);
    }

  private:
    Side side(std::string const& path) const {
        auto side = side_of_cells(run_.plan.cells);
        auto const program = describe_program(path);
        auto const host = describe_host();
        side.name = path;
        side.scenario = run_.plan.scenario;
        side.git_sha = program.git_sha;
        side.toolchain = program.toolchain;
        side.build = program.build;
        side.hardware_class = host.hardware_class;
        side.hardware = host.hardware_name;
        return side;
    }

    void tell(std::string const& text) const {
        if (run_.notice) run_.notice(text);
    }
    double elapsed_s() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
    bool stopped() const { return run_.stop != nullptr && *run_.stop; }

    void attempt(Launch& launch, Cell const& cell, char const* stage, int block, int position, char which) {
        evidence_.attempts.push_back(
            {cell.id, stage, block, position, which, launch.number(), launch.attempt(run_, cell, which)});
    }

    void probe() {
        Launch launch(launches_++, random_);
        for (auto const& cell : run_.plan.cells) {
            if (stopped()) return;
            auto const began = Clock::now();
            bool const head_first = random_() % 2 == 1;
            for (int position = 0; position < 2; ++position)
                attempt(launch, cell, "probe", 0, position, (position == 0) == head_first ? 'B' : 'A');
            cost_s_[cell.id] = std::chrono::duration<double>(Clock::now() - began).count() / 2;
        }
        add_attempts(*evidence_.base, evidence_.attempts, 'A');
        add_attempts(evidence_.head, evidence_.attempts, 'B');
        probes_ = evidence_.attempts.size();
    }

    std::vector<GateAttempt> from_second_stage_on() const {
        return {evidence_.attempts.begin() + static_cast<std::ptrdiff_t>(probes_), evidence_.attempts.end()};
    }

    /// Cells whose blocks fit into what is left of the budget, the cheapest for each of their tests first.
    std::set<std::string> within_budget(std::map<std::string, std::size_t> const& tests_of) {
        std::vector<std::string> order;
        for (auto const& [cell, tests] : tests_of) order.push_back(cell);
        std::ranges::sort(
            order, {}, [&](std::string const& cell) { return cost_s_[cell] / static_cast<double>(tests_of.at(cell)); });
        std::set<std::string> timed;
        std::size_t tests = 0;
        double spent = elapsed_s();
        for (auto const& cell : order) {
            auto const stages = two_stage_for(tests + tests_of.at(cell), policy_.error_budget, policy_.margin);
            double const blocks =
                run_.blocks > 0 ? run_.blocks : stages.screen_blocks + expected_suspects * stages.confirm_blocks;
            double const cost = cost_s_[cell] * 4 * blocks;
            if (run_.budget_s > 0 && spent + cost > run_.budget_s) {
                evidence_.untimed.push_back(cell);
                continue;
            }
            spent += cost;
            tests += tests_of.at(cell);
            timed.insert(cell);
        }
        if (run_.budget_s > 0)
            tell(fmt::format("about {:.0f} of {:.0f} s planned; {} of {} cells are left untimed", spent, run_.budget_s,
                             evidence_.untimed.size(), order.size()));
        return timed;
    }

    void rounds(char const* stage, int blocks, std::vector<std::string> ids, bool own_launches) {
        std::map<std::string, std::vector<bool>> head_first;
        for (auto const& id : ids) {
            auto& order = head_first[id];
            for (int block = 0; block < blocks; ++block) order.push_back(block % 2 == 1);
            shuffle(order);
        }
        auto launch = std::make_unique<Launch>(launches_++, random_);
        for (int block = 0; block < blocks; ++block) {
            shuffle(ids);
            for (auto const& id : ids) {
                if (stopped()) return;
                if (run_.budget_s > 0 && elapsed_s() + 4 * cost_s_[id] > run_.budget_s) {
                    tell(fmt::format("the budget is used up in block {} of {}", block + 1, blocks));
                    return;
                }
                if (own_launches) launch = std::make_unique<Launch>(launches_++, random_);
                bool const b_outside = head_first[id][static_cast<std::size_t>(block)];
                for (int position = 0; position < 4; ++position)
                    attempt(*launch, *cells_.at(id), stage, block, position,
                            (position == 0 || position == 3) == b_outside ? 'B' : 'A');
            }
        }
    }

    template <class Values>
    void shuffle(Values& values) {
        for (std::size_t i = values.size(); i > 1; --i) {
            auto const other = random_() % i;
            auto const kept = values[i - 1];
            values[i - 1] = values[other];
            values[other] = kept;
        }
    }

    void tell_detectable(std::vector<TimingTest> const& tests) const {
        std::vector<double> found;
        for (auto const& test : tests) {
            auto const& rule = rules_[test.rule];
            auto const blocks =
                block_effects(evidence_.attempts, test.cell->cell.id, "screen", rule.metric, test.component);
            if (!blocks.empty())
                found.push_back(detectable_slowdown(stages_of(policy_, rule, evidence_.tests), blocks));
        }
        if (found.empty()) return;
        std::ranges::sort(found);
        tell(fmt::format(
            "slow-downs that would be found in 90% of repetitions: {:.1f}% at the median cell, {:.1f}% at the "
            "noisiest",
            100 * found[found.size() / 2], 100 * found.back()));
    }

    GateRun const& run_;
    GatePolicy const& policy_;
    std::vector<PolicyRule> const& rules_;
    std::mt19937_64 random_;
    Evidence evidence_;
    std::map<std::string, Cell const*> cells_;
    std::map<std::string, double> cost_s_;
    std::size_t probes_ = 0;
    int launches_ = 0;
    Clock::time_point start_ = Clock::now();
};

}  // namespace

GateProgram describe_program(std::string const& path) {
    GateProgram program{path, {}, {}, {}};
    Spawner spawner;
    auto command = command_of(spawner, {path, "doctor", "--json"});
    command.timeout_s = program_slack_s;
    try {
        auto const told = Json::parse(spawner.run(command).output);
        for (auto const& finding : told.at("findings")) {
            auto const text = finding.at("text").get<std::string>();
            if (finding.at("subject") == "toolchain") program.toolchain = text;
            if (finding.at("subject") != "build") continue;
            // "VERSION COMMIT (TYPE, COMPILER)"
            auto const space = text.find(' '), bracket = text.find(" (");
            if (space >= bracket || bracket == std::string::npos) continue;
            program.git_sha = text.substr(space + 1, bracket - space - 1);
            program.build = text.substr(bracket + 2, text.size() - bracket - 3);
        }
    } catch (Json::exception const&) {
        // A program that does not say what it is made of is still one that can be measured.
    }
    return program;
}

Evidence run_gate(GateRun const& run, GatePolicy const& policy, std::vector<PolicyRule> const& rules) {
    return Turns(run, policy, rules).measure();
}

}  // namespace kvstone
