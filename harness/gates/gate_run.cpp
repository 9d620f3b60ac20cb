#include "harness/gates/gate_run.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <random>
#include <set>

#include <fmt/format.h>

#include "harness/attempts/abilities.hpp"
#include "results/verdict/cell_pair.hpp"
#include "results/verdict/record.hpp"

namespace kvstone {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double program_slack_s = 60;     ///< beyond the attempt's own time limit
constexpr double expected_suspects = 0.1;  ///< of all cells, for planning: twice the share by chance
constexpr std::uint64_t largest_padding = 4096;
constexpr int most_screen_blocks = 32;

class Turns {
  public:
    Turns(GateRun const& run, GateNodes& nodes, GatePolicy const& policy, std::vector<PolicyRule> const& rules)
        : run_(run), nodes_(nodes), policy_(policy), rules_(rules), random_(run.seed) {
        for (auto const& cell : run.plan.cells) cells_[cell.id] = &cell;
    }

    Evidence measure() {
        evidence_.measured = true;
        evidence_.base = side(run_.base);
        evidence_.head = side(run_.head);
        probe();
        if (!run_.calibrates) count_work();
        tests_ = timing_tests(rules_, *evidence_.base, evidence_.head);
        std::map<std::string, std::size_t> tests_of;
        for (auto const& test : tests_) ++tests_of[test.cell->cell.id];
        try_timing_only(tests_of);
        auto const timed = within_budget(tests_of);
        std::erase_if(tests_, [&](TimingTest const& test) { return !timed.contains(test.cell->cell.id); });
        evidence_.tests = tests_.size();
        tell(fmt::format("{} cells, {} timings of {} cells", run_.plan.cells.size(), evidence_.tests, timed.size()));
        if (run_.calibrates) {
            for (int block = 0; block < run_.blocks && round("confirm", block, timed); ++block) {
            }
            return std::move(evidence_);
        }
        screen(timed);
        confirm(suspects());
        return std::move(evidence_);
    }

  private:
    using CellIds = std::set<std::string>;
    using Kept = std::function<void(GateBlock const&, std::vector<Measurement> const&)>;
    static constexpr double no_limit = std::numeric_limits<double>::infinity();

    /// Cells whose block ended.
    struct Made {
        CellIds whole;
        CellIds given_up;  ///< every launch of it failed
        std::size_t blocks() const { return whole.size() + given_up.size(); }
    };

    Side side(GateProgram const& program) const {
        auto side = side_of_cells(run_.plan.cells);
        auto const host = host_of_attempts();
        side.name = program.path;
        side.scenario = run_.plan.scenario;
        side.git_sha = program.git_sha;
        side.source_hash = program.source_hash;
        side.toolchain = program.toolchain;
        side.build = program.build;
        side.hardware_class = host.hardware_class;
        side.hardware = host.hardware_name;
        side.hardware_facts = to_json(host);
        return side;
    }

    void tell(std::string const& text) const {
        if (run_.notice) run_.notice(text);
    }
    double elapsed_s() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
    bool stopped() const { return run_.stop != nullptr && *run_.stop; }

    GateBlock block(std::string const& cell, std::string phase, int number, std::string order) {
        return {cells_.at(cell), std::move(phase), number, std::move(order), launches_++, random_() % largest_padding};
    }

    BuildCall call(GateBlock const& block, std::size_t position) const {
        bool const head = block.order[position] == 'B';
        BuildCall call{{(head ? run_.head : run_.base).path, "attempt", block.cell->id, run_.scenario, "--json"},
                       block.padding_bytes,
                       run_.plan.measure.timeout_s + program_slack_s};
        for (auto const& set : run_.set) call.words.insert(call.words.end(), {"--set", set});
        if (block.phase == "work") {
            call.words.insert(call.words.end(), {"--set", "measure.work=callgrind"});
            if (wants(*block.cell, "start_instructions"))
                call.words.insert(call.words.end(), {"--set", "measure.work_start=on"});
        } else if (block.phase != "probe" && timing_only_) {
            call.words.insert(call.words.end(), {"--set", "measure.timing=only"});
        }
        if (double const factor = slow_down_of(run_, *block.cell); head && factor > 1)
            call.words.insert(call.words.end(), {"--slow-down", fmt::format("{}", factor)});
        return call;
    }

    /// Whether a rule is about this metric of the cell.
    bool wants(Cell const& cell, std::string_view metric) const {
        return std::ranges::any_of(rules_, [&](PolicyRule const& rule) {
            return metrics()[rule.metric].name == metric && rule.source.cells.takes(cell);
        });
    }

    double budget_s() const { return run_.budget_s > 0 ? run_.budget_s : no_limit; }

    static bool is_whole(std::vector<Measurement> const& measurements) {
        return std::ranges::all_of(measurements, [](Measurement const& m) { return m.status == Status::ok; });
    }
    /// Whether measuring a block once more may bring something else.
    static bool worth_another(std::vector<Measurement> const& measurements) {
        return std::ranges::any_of(
            measurements, [](Measurement const& m) { return !stands(m.status) && m.status != Status::skipped; });
    }

    /// Measures a block of each of some cells. Begins none after `until_s`, see elapsed_s(); one with an attempt that failed
    /// is measured anew, as long as the budget lasts and gate_block_tries allow it. `kept` gets every launch.
    Made measure(std::vector<GateBlock> blocks, Kept const& kept, double until_s = no_limit) {
        Made made;
        for (int tries = 1; !blocks.empty(); ++tries) {
            std::vector<GateBlock> again;
            auto const done = [&](GateBlock const& block, std::vector<Measurement> const& measurements) {
                kept(block, measurements);
                if (is_whole(measurements))
                    made.whole.insert(block.cell->id);
                else if (tries < gate_block_tries && worth_another(measurements))
                    again.push_back(this->block(block.cell->id, block.phase, block.number, block.order));
                else
                    made.given_up.insert(block.cell->id);
            };
            double const last_s = tries == 1 ? until_s : std::min(until_s, budget_s());
            nodes_.measure(
                blocks, [this](GateBlock const& block, std::size_t position) { return call(block, position); }, done,
                [this, last_s] { return !stopped() && elapsed_s() <= last_s; });
            blocks = std::move(again);
            if (!blocks.empty())
                tell(fmt::format("{} blocks of stage '{}' failed: measured anew", blocks.size(), blocks[0].phase));
        }
        return made;
    }

    void keep(GateBlock const& block, std::vector<Measurement> const& measurements) {
        for (std::size_t position = 0; position < measurements.size(); ++position) {
            evidence_.attempts.push_back({block.cell->id, block.phase, block.number, static_cast<int>(position),
                                          block.order[position], block.launch, measurements[position]});
            evidence_.attempts.back().measurement.cell_id = block.cell->id;
        }
    }

    void probe() {
        std::vector<GateBlock> blocks;
        for (auto const& cell : run_.plan.cells)
            blocks.push_back(block(cell.id, "probe", 0, random_() % 2 == 1 ? "BA" : "AB"));
        measure(blocks, [this](GateBlock const& block, std::vector<Measurement> const& both) { keep(block, both); });
        add_attempts(*evidence_.base, evidence_.attempts, 'A');
        add_attempts(evidence_.head, evidence_.attempts, 'B');
        tell_refusals();
    }

    /// One attempt of each build under the instrument, at cells that are ok and that a rule about work takes.
    void count_work() {
        std::vector<GateBlock> blocks;
        for (auto const& pair : cell_pairs(evidence_))
            if (pair.both_ok() && std::ranges::any_of(rules_, [&](PolicyRule const& rule) {
                    return rule.needs_work() && rule.source.cells.takes(pair.head->cell);
                }))
                blocks.push_back(block(pair.head->cell.id, "work", 0, "AB"));
        if (blocks.empty()) return;
        measure(blocks, [this](GateBlock const& block, std::vector<Measurement> const& both) { keep(block, both); });
        add_attempts(*evidence_.base, evidence_.attempts, 'A');
        add_attempts(evidence_.head, evidence_.attempts, 'B');
        tell(fmt::format("work of {} cells counted after {:.0f} s", blocks.size(), elapsed_s()));
    }

    /// A program that refuses its arguments says why: told at once, and not after the whole budget.
    void tell_refusals() const {
        for (auto const& [side, name] : {std::pair(&*evidence_.base, "base"), std::pair(&evidence_.head, "head")}) {
            auto const refused = std::ranges::count(side->cells, "skipped", &SideCell::status);
            if (refused == 0) continue;
            auto const first = std::ranges::find(side->cells, "skipped", &SideCell::status);
            tell(fmt::format("the {} leaves out {} of {} cells: {}", name, refused, side->cells.size(), first->reason));
        }
    }

    /// Whether both builds can leave out everything but times, and the cost of an attempt then.
    void try_timing_only(std::map<std::string, std::size_t> const& tests_of) {
        std::map<std::string, int> probes;
        for (auto const& attempt : evidence_.attempts) {
            double& mean_s = cost_s_[attempt.cell];
            mean_s += (attempt_s(attempt.measurement) - mean_s) / ++probes[attempt.cell];
        }
        std::vector<GateBlock> blocks;
        for (auto const& [cell, tests] : tests_of)
            blocks.push_back(block(cell, "pilot", 0, blocks.empty() ? "AB" : "B"));
        timing_only_ = true;
        std::map<std::string, double> costs;
        auto const made = measure(blocks, [&](GateBlock const& block, std::vector<Measurement> const& measurements) {
            costs[block.cell->id] = attempt_s(measurements.back());
        });
        timing_only_ = made.whole.size() == blocks.size();
        if (!timing_only_) return tell("a build cannot take times alone: attempts are whole");
        for (auto const& [cell, cost] : costs) cost_s_[cell] = cost;
    }

    static double attempt_s(Measurement const& measurement) { return static_cast<double>(measurement.wall_ns) * 1e-9; }
    /// A block of each of these cells, with all nodes at work.
    double round_s(auto const& cells) const {
        double sum = 0;
        for (auto const& cell : cells) sum += 4 * cost_s_.at(cell);
        return sum / static_cast<double>(nodes_.count());
    }

    /// Cells whose blocks fit into the rest of the budget, the cheapest for each of their tests first.
    CellIds within_budget(std::map<std::string, std::size_t> const& tests_of) {
        std::vector<std::string> order;
        for (auto const& [cell, tests] : tests_of) order.push_back(cell);
        std::ranges::sort(order, {}, [&](std::string const& cell) {
            return cost_s_.at(cell) / static_cast<double>(tests_of.at(cell));
        });
        CellIds timed;
        std::size_t tests = 0;
        double spent = elapsed_s();
        for (auto const& cell : order) {
            auto const phases = two_stage_for(tests + tests_of.at(cell), policy_.error_budget, policy_.margin);
            int const first = run_.blocks > 0 ? run_.blocks : phases.screen_blocks;
            double const blocks = first + (run_.calibrates ? 0 : expected_suspects * phases.confirm_blocks);
            double const cost = round_s(std::array{cell}) * blocks;
            if (run_.budget_s > 0 && spent + cost > run_.budget_s) {
                evidence_.untimed.push_back(cell);
                continue;
            }
            spent += cost;
            tests += tests_of.at(cell);
            timed.insert(cell);
        }
        if (run_.budget_s > 0)
            tell(fmt::format("about {:.0f} of {:.0f} s planned for {} cells; {} are left untimed", spent, run_.budget_s,
                             timed.size(), evidence_.untimed.size()));
        return timed;
    }

    /// A block of each cell that is not given up, in random order, while there is time. Of two rounds that follow each
    /// other, a cell's blocks are ABBA and BAAB. False where some were left out, or none is left.
    bool round(char const* phase, int number, CellIds const& cells) {
        std::vector<std::string> order;
        for (auto const& cell : cells)
            if (!given_up_.contains(cell)) order.push_back(cell);
        if (order.empty()) return false;
        std::ranges::shuffle(order, random_);
        std::vector<GateBlock> blocks;
        for (auto const& cell : order) {
            bool& head_outside = head_outside_[cell];
            head_outside = number % 2 == 0 ? random_() % 2 == 1 : !head_outside;
            blocks.push_back(block(cell, phase, number, head_outside ? "BAAB" : "ABBA"));
        }
        double longest_s = 0;
        for (auto const& cell : order) longest_s = std::max(longest_s, 4 * cost_s_.at(cell));
        auto const made = measure(
            blocks,
            [this](GateBlock const& block, std::vector<Measurement> const& measurements) { keep(block, measurements); },
            budget_s() - longest_s);
        given_up_.insert(made.given_up.begin(), made.given_up.end());
        if (made.blocks() < blocks.size() && !stopped())
            tell(fmt::format("the budget was used up in block {} of stage '{}'", number + 1, phase));
        return made.blocks() == blocks.size();
    }

    /// The first phase: more blocks than needed only where the budget has room and some slow-down that a rule asks for
    /// could still go unseen. That is ranked by how blocks scatter, never by their effects.
    void screen(CellIds const& cells) {
        int const least = run_.blocks > 0 ? run_.blocks : evidence_.screen_blocks;
        int const most = run_.blocks > 0 || run_.budget_s <= 0 ? least : most_screen_blocks;
        for (int number = 0; number < most && !cells.empty(); ++number) {
            if (number >= least && number % 2 == 0) {
                evidence_.screen_blocks = number;
                double const blocks_more = 2 + expected_suspects * std::max(confirm_blocks(), number + 2);
                if (elapsed_s() + blocks_more * round_s(cells) > run_.budget_s || all_to_be_seen()) break;
            }
            if (!round("screen", number, cells)) break;
            evidence_.screen_blocks = std::max(least, number + 1);
        }
        std::vector<double> found;
        for (auto const& test : tests_)
            if (auto const effects = blocks_of(test); !effects.empty())
                found.push_back(detectable_slowdown(phases_of(policy_, rules_[test.rule], evidence_), effects));
        if (found.empty()) return;
        std::ranges::sort(found);
        tell(
            fmt::format("after {} blocks: slow-downs that would be found in 90% of repetitions: {:.1f}% at the median "
                        "timing, {:.1f}% at the noisiest",
                        evidence_.screen_blocks, 100 * found[found.size() / 2], 100 * found.back()));
    }

    std::vector<double> blocks_of(TimingTest const& test) const {
        return block_effects(evidence_.attempts, test.cell->cell.id, "screen", rules_[test.rule].metric,
                             test.component);
    }

    /// Of every rule: only the margin is its own.
    int confirm_blocks() const {
        return tests_.empty() ? 0 : phases_of(policy_, rules_[tests_[0].rule], evidence_).confirm_blocks;
    }

    bool all_to_be_seen() const {
        return std::ranges::all_of(tests_, [&](TimingTest const& test) {
            if (given_up_.contains(test.cell->cell.id)) return true;
            auto const& rule = rules_[test.rule];
            return detectable_slowdown(phases_of(policy_, rule, evidence_), blocks_of(test)) <= rule.worse_by;
        });
    }

    CellIds suspects() const {
        CellIds cells;
        for (auto const& test : tests_)
            if (suspected(phases_of(policy_, rules_[test.rule], evidence_), blocks_of(test)))
                cells.insert(test.cell->cell.id);
        return cells;
    }

    void confirm(CellIds const& cells) {
        if (cells.empty()) return;
        int const blocks = confirm_blocks();
        tell(fmt::format("{} cells are suspected: {} confirming blocks", cells.size(), blocks));
        for (int number = 0; number < blocks && round("confirm", number, cells); ++number) {
        }
    }

    GateRun const& run_;
    GateNodes& nodes_;
    GatePolicy const& policy_;
    std::vector<PolicyRule> const& rules_;
    std::mt19937_64 random_;
    Evidence evidence_;
    std::vector<TimingTest> tests_;
    std::map<std::string, Cell const*> cells_;
    std::map<std::string, double> cost_s_;  ///< of an attempt
    std::map<std::string, bool> head_outside_;
    CellIds given_up_;  ///< cells of which a block failed whenever it was measured
    int launches_ = 0;
    bool timing_only_ = false;
    Clock::time_point start_ = Clock::now();
};

}  // namespace

double slow_down_of(GateRun const& run, Cell const& cell) {
    for (auto const& name : {cell.codec_name, cell.codec, std::string("all")})
        if (auto const found = run.slow_down.find(name); found != run.slow_down.end()) return found->second;
    return 1;
}

Evidence run_gate(GateRun const& run, GateNodes& nodes, GatePolicy const& policy,
                  std::vector<PolicyRule> const& rules) {
    return Turns(run, nodes, policy, rules).measure();
}

}  // namespace kvstone
