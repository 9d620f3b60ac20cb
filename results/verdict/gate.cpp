#include "results/verdict/gate.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "results/statistics/median.hpp"
#include "results/verdict/cell_pair.hpp"

namespace kvstone {
namespace {

constexpr double default_accuracy_margin = 0.01;

class Judge {
  public:
    Judge(GatePolicy const& policy, std::vector<PolicyRule> const& rules, Evidence const& evidence)
        : policy_(policy),
          rules_(rules),
          evidence_(evidence),
          pairs_(cell_pairs(evidence)),
          outcome_{.waived = std::vector<int>(policy.waivers.size())} {
        if (!evidence.base) return;
        auto const around = circumstances(*evidence.base, evidence.head);
        excuse_ = around.excuse(evidence.across_toolchains);
        outcome_.notices = around.differences;
    }

    GateOutcome run() {
        for (auto& notice : notices_of_sides(evidence_)) outcome_.notices.push_back(std::move(notice));
        coverage();
        // Counts of work first: they say where slower cells lost their time.
        for (bool const work : {true, false})
            for (auto const& rule : rules_)
                if (is_work(metrics()[rule.metric]) == work) judge(rule);
        for (auto const& joint : policy_.joint) judge(joint);
        if (evidence_.nights)
            for (auto& notice : notices_of_nights(policy_, rules_, evidence_, outcome_.findings))
                outcome_.notices.push_back(std::move(notice));
        for (std::size_t i = 0; i < policy_.waivers.size(); ++i)
            if (expired(policy_.waivers[i]))
                outcome_.notices.push_back(
                    fmt::format("waiver expired on {}: {}", policy_.waivers[i].until, policy_.waivers[i].reason));
        return std::move(outcome_);
    }

  private:
    bool expired(Waiver const& waiver) const { return waiver.until < evidence_.today; }

    static Finding about(std::string const& rule, SideCell const& cell, std::string_view metric = {},
                         std::string_view component = {}) {
        return {.rule = rule,
                .cell = cell.cell.id,
                .title = cell.title,
                .codec_name = cell.cell.codec_name,
                .component = std::string(component),
                .metric = std::string(metric)};
    }

    void decide(Finding finding, SideCell const* cell = nullptr) {
        auto counts = finding.warns ? std::min(finding.verdict, Verdict::advisory) : finding.verdict;
        for (std::size_t i = 0; i < policy_.waivers.size() && counts > Verdict::advisory; ++i) {
            auto const& waiver = policy_.waivers[i];
            bool const meant = (waiver.rule.empty() || waiver.rule == finding.rule) &&
                               (cell == nullptr ? waiver.cells.match.empty() : waiver.cells.takes(cell->cell));
            if (!meant || expired(waiver)) continue;
            finding.waiver = waiver.reason;
            ++outcome_.waived[i];
            counts = Verdict::advisory;
        }
        outcome_.verdict = worse(outcome_.verdict, counts);
        outcome_.findings.push_back(std::move(finding));
    }

    void coverage() {
        auto const state = [&](SideCell const& cell) {
            // Where nothing is to be compared, a cell that cannot be measured here is no fault.
            bool const excused = cell.status == "skipped" && policy_.require.at_least.empty() && !evidence_.base;
            if (cell.status == "ok" || excused) return;
            auto finding = about("coverage", cell);
            finding.verdict = is_absent(cell) ? Verdict::missing : Verdict::failed;
            finding.why = cell.status + (cell.reason.empty() ? "" : ": " + cell.reason);
            decide(std::move(finding), &cell);
        };
        if (policy_.require.all)
            for (auto const& pair : pairs_) {
                if (pair.head != nullptr) {
                    state(*pair.head);
                    continue;
                }
                auto finding = about("coverage", *pair.base);
                finding.verdict = Verdict::missing;
                finding.why = "the head does not have this cell";
                decide(std::move(finding), pair.base);
            }
        for (auto const& selection : policy_.require.at_least) {
            bool any = false;
            for (auto const& cell : evidence_.head.cells)
                if (selection.takes(cell.cell)) {
                    any = any || cell.status == "ok";
                    if (cell.status != "ok") state(cell);
                }
            if (!any)
                decide({.rule = "coverage",
                        .verdict = Verdict::missing,
                        .why = "no cell is ok like " + selection.match.dump()});
        }
    }

    static void keep(Finding& finding, Lack const& lack) {
        finding.verdict = lack.verdict;
        finding.why = lack.why;
    }

    /// Cells whose workload has nothing to count are left alone; those whose attempts failed under the instrument are not.
    static bool failed_to_count(std::size_t metric, CellPair const& pair) {
        if (!is_work(metrics()[metric])) return false;
        return std::ranges::any_of(std::array{pair.base, pair.head}, [](SideCell const* cell) {
            return !cell->uncounted.empty() && !cell->uncounted.starts_with("skipped");
        });
    }

    /// Takes every figure of a rule to be ranked. Where a base is given, each that cannot be compared becomes a finding,
    /// too; where neither side tells which figures there are, one for the cell.
    template <class JudgeFigure>
    void for_each_figure(std::string const& rule, bool relative, bool warns, Selection const& cells,
                         std::string const& component, std::size_t metric, JudgeFigure const& judge_figure) {
        auto const name = metrics()[metric].name;
        std::size_t decided = 0;
        for (auto const& pair : pairs_) {
            auto const& cell = pair.any();
            if (!cells.takes(cell.cell)) continue;
            auto const components = components_of_either(component, metric, pair);
            for (auto const each : components) {
                auto finding = about(rule, cell, name, side_components[each]);
                finding.warns = warns;
                if (auto const lack = lack_of(relative, pair, metric, each); lack.verdict != Verdict::pass)
                    keep(finding, lack);
                else
                    judge_figure(pair, each, finding);
                ++decided;
                decide(std::move(finding), &cell);
            }
            if (!components.empty() || !relative || !evidence_.base) continue;
            if (pair.both_ok() && !failed_to_count(metric, pair)) continue;
            auto finding = about(rule, cell, name);
            finding.warns = warns;
            keep(finding, lack_of(true, pair, metric, 0));
            ++decided;
            decide(std::move(finding), &cell);
        }
        if (decided > 0) return;
        decide({.rule = rule,
                .metric = std::string(name),
                .verdict = Verdict::missing,
                .why = "no cell that is ok has this figure",
                .warns = warns});
    }

    void judge(PolicyRule const& rule) {
        bool const by_night = rule.timed() && evidence_.nights;
        if (rule.relative && !by_night && !evidence_.base) {
            std::size_t figures = 0;
            for (auto const& cell : evidence_.head.cells)
                if (rule.source.cells.takes(cell.cell))
                    figures += components_of(rule.source.component, rule.metric, cell).size();
            if (figures > 0) {
                outcome_.notices.push_back(
                    fmt::format("'{}': {} figures have nothing to be compared with", rule.source.name, figures));
                return;
            }
        }
        auto nights = by_night ? std::optional(night_rule_of(policy_, rule, evidence_)) : std::nullopt;
        for_each_figure(rule.source.name, rule.relative && !by_night, rule.source.warns, rule.source.cells,
                        rule.source.component, rule.metric,
                        [&](CellPair const& pair, std::size_t component, Finding& finding) {
                            if (by_night)
                                judge_nights(*nights, evidence_, rule, *pair.head, component, finding);
                            else if (!rule.relative)
                                judge_bound(rule, *pair.head, component, finding);
                            else if (rule.timed() && evidence_.measured)
                                judge_time(rule, pair, component, finding);
                            else
                                judge_beside(rule, *pair.base, *pair.head, component, finding);
                        });
    }

    void judge_bound(PolicyRule const& rule, SideCell const& cell, std::size_t component, Finding& finding) const {
        auto constraint = rule.bound;
        auto const figures = find_figures(cell, rule.metric, component);
        auto const value = median_value(figures);
        finding.head = value;
        if (rule.bound_metric) {
            auto const other = median_value(find_figures(cell, *rule.bound_metric, component));
            if (!other) {
                finding.verdict = Verdict::missing;
                finding.why = fmt::format("there is no {} to bound it", metrics()[*rule.bound_metric].name);
                return;
            }
            constraint.bound *= *other;
        }
        finding.target = constraint.bound;
        // A bound is broken where the whole interval lies beyond it, kept where the whole interval keeps it.
        bool const holds = constraint.holds_for(*value);
        auto low = *value, high = *value;
        if (figures.size() == 1 && !std::isnan(figures[0].low)) low = figures[0].low, high = figures[0].high;
        if (figures.size() > 1) std::tie(low, high) = over_processes(figures, *value);
        bool const all_hold = constraint.holds_for(constraint.upper ? high : low);
        bool const none_hold = !constraint.holds_for(constraint.upper ? low : high);
        finding.change = low == high ? std::nullopt : std::optional(Estimate{*value, low, high});
        finding.verdict = all_hold ? Verdict::pass : none_hold ? Verdict::regression : Verdict::inconclusive;
        finding.why = fmt::format("{:g} {} {}{}", *value, holds ? "keeps" : "breaks", constraint.text(),
                                  all_hold || none_hold ? "" : ", but its interval spans the bound");
    }

    /// Blocks, at cells that counts of work suspect where the rule wants that.
    void judge_time(PolicyRule const& rule, CellPair const& pair, std::size_t component, Finding& finding) const {
        if (rule.suspected_by.empty()) return judge_blocks(rule, *pair.head, component, finding);
        auto const work = suspected(rule, *pair.base, *pair.head, component);
        if (!work.suspect) {
            finding.why = fmt::format("not suspected: {}; its time was not judged", work.why);
            return;
        }
        judge_blocks(rule, *pair.head, component, finding);
        finding.why = fmt::format("{}: {}", work.why, finding.why);
    }

    void judge_blocks(PolicyRule const& rule, SideCell const& cell, std::size_t component, Finding& finding) const {
        if (std::ranges::find(evidence_.untimed, cell.cell.id) != evidence_.untimed.end()) {
            finding.verdict = Verdict::missing;
            finding.why = "not timed: the budget had no room for this cell";
            return;
        }
        auto const phases = phases_of(policy_, rule, evidence_);
        auto const effects = [&](char const* phase) {
            return block_effects(evidence_.attempts, cell.cell.id, phase, rule.metric, component);
        };
        auto const screen = effects("screen"), confirm = effects("confirm");
        auto const verdict = judge_timing(phases, screen, confirm, rule.worse_by);
        finding.target = rule.worse_by;
        finding.detectable = verdict.detectable;
        finding.screen_p = verdict.screen_p;
        finding.confirm_p = verdict.confirm_p;
        if (!screen.empty()) finding.change = verdict.slowdown;
        finding.base = over_attempts(cell, 'A', rule.metric, component);
        finding.head = over_attempts(cell, 'B', rule.metric, component);
        auto const slower = fmt::format("{:+.1f}%", 100 * verdict.slowdown.value);
        auto const detectable = std::isfinite(verdict.detectable) ? fmt::format("{:.1f}%", 100 * verdict.detectable)
                                                                  : std::string("nothing");
        switch (verdict.verdict) {
            case Verdict::pass:
                finding.why = fmt::format("{} in {} blocks; {} would have been found", slower,
                                          verdict.confirm_p ? confirm.size() : screen.size(), detectable);
                break;
            case Verdict::regression:
                finding.verdict = Verdict::regression;
                finding.why = fmt::format("{} in {} fresh blocks of as many launches, p {:.2g} at level {:.2g}", slower,
                                          confirm.size(), *verdict.confirm_p, phases.confirm_alpha);
                break;
            default:
                finding.verdict = Verdict::inconclusive;
                finding.why = fmt::format("{}; here {} can be found, {:.1f}% is asked for", slower, detectable,
                                          100 * rule.worse_by);
                bool const short_of = static_cast<int>(screen.size()) < phases.screen_blocks;
                bool const suspect = !short_of && verdict.screen_p <= phases.screen_alpha;
                bool const unconfirmed = suspect && static_cast<int>(confirm.size()) < phases.confirm_blocks;
                if (short_of)
                    finding.why = fmt::format("{} of {} blocks are whole", screen.size(), phases.screen_blocks);
                else if (unconfirmed)
                    finding.why = fmt::format("{} suspected, {} of {} confirming blocks are whole", slower,
                                              confirm.size(), phases.confirm_blocks);
                if (short_of || unconfirmed) tell_trouble(rule, cell, component, short_of, finding);
        }
        if (finding.verdict == Verdict::regression && !excuse_.empty()) {
            finding.verdict = Verdict::inconclusive;
            finding.why += "; " + excuse_;
        }
    }

    /// Blocks that are not there for want of time are inconclusive; those that failed whenever they were tried are not.
    void tell_trouble(PolicyRule const& rule, SideCell const& cell, std::size_t component, bool screening,
                      Finding& finding) const {
        auto const trouble =
            block_trouble(evidence_.attempts, cell.cell.id, screening ? "screen" : "confirm", rule.metric, component);
        if (trouble.failed == 0 && !trouble.lacks) return;
        finding.verdict = trouble.given_up ? Verdict::failed : trouble.lacks ? Verdict::missing : finding.verdict;
        finding.why += "; " + trouble.why;
    }

    void judge_beside(PolicyRule const& rule, SideCell const& base, SideCell const& cell, std::size_t component,
                      Finding& finding) const {
        auto const how = comparing(metrics()[rule.metric]);
        CompareOptions options;
        options.across_toolchains = evidence_.across_toolchains;
        options.accuracy_margin = how == Comparing::by_items ? std::min(rule.worse_by, 0.999) : default_accuracy_margin;
        if (rule.source.margin) options.margin = *rule.source.margin;
        auto const figure =
            compare_figure(*evidence_.base, base, evidence_.head, cell, rule.metric, component, excuse_, options);
        finding.base = figure.base;
        finding.head = figure.head;
        finding.change = figure.change;
        finding.screen_p = figure.p;
        finding.detectable = figure.detectable;
        finding.target = rule.worse_by;
        if (base.counted_by != cell.counted_by && is_work(metrics()[rule.metric])) {
            finding.verdict = Verdict::inconclusive;
            finding.why = fmt::format("counted by {} and {}", base.counted_by, cell.counted_by);
            return;
        }
        finding.verdict = figure.verdict;
        finding.why = figure.why.empty() ? "equal" : figure.why;
        if (how == Comparing::by_time) {
            // The machine's state between two campaigns is unknown.
            finding.verdict = Verdict::inconclusive;
            return;
        }
        if (how == Comparing::by_items) {
            if (figure.p) return;
            finding.verdict = Verdict::missing;
            finding.why = "the answers item by item are not there on both sides";
            return;
        }
        double const worse = kvstone::worse_by(metrics()[rule.metric], *figure.base, *figure.head);
        if (worse <= rule.worse_by) {
            finding.verdict = Verdict::pass;
            if (worse != 0)
                finding.why = fmt::format("{:.3g}% {}", 100 * std::abs(worse), worse > 0 ? "worse" : "better");
        } else if (how == Comparing::by_count) {
            // The rule itself allows for what linking moves.
            finding.verdict = excuse_.empty() ? Verdict::regression : Verdict::inconclusive;
            finding.why = fmt::format("{:.3g}% worse", 100 * worse) + (excuse_.empty() ? "" : "; " + excuse_);
        } else if (finding.verdict == Verdict::advisory) {
            finding.verdict = Verdict::inconclusive;
        }
    }

    void judge(JointRule const& rule) {
        if (!evidence_.base) {
            outcome_.notices.push_back(fmt::format("'{}': nothing to be compared with", rule.name));
            return;
        }
        auto const gain = metric_index(rule.gain);
        for_each_figure(rule.name, true, false, rule.cells, {}, gain,
                        [&](CellPair const& pair, std::size_t component, Finding& finding) {
                            judge_joint(rule, pair, gain, component, finding);
                        });
    }

    void judge_joint(JointRule const& rule, CellPair const& pair, std::size_t gain, std::size_t component,
                     Finding& finding) const {
        auto const value = [&](SideCell const& cell, char side) {
            return evidence_.measured ? over_attempts(cell, side, gain, component)
                                      : median_value(find_figures(cell, gain, component));
        };
        finding.target = rule.by;
        finding.base = value(*pair.base, 'A');
        finding.head = value(*pair.head, 'B');
        if (!finding.base || !finding.head)
            return keep(finding, {Verdict::missing, fmt::format("no attempt of one side has {}", rule.gain)});
        double const gained = -worse_by(metrics()[gain], *finding.base, *finding.head);
        finding.why = fmt::format("{} {:.3g}% {}", rule.gain, 100 * std::abs(gained), gained >= 0 ? "better" : "worse");
        if (gained < rule.by) return;
        auto const costs = costs_of(rule, pair, component);
        if (!costs.worse.empty()) {
            finding.verdict = excuse_.empty() ? Verdict::regression : Verdict::inconclusive;
            finding.why += ", bought with " + costs.worse;
        } else if (costs.lack.verdict != Verdict::pass) {
            finding.verdict = costs.lack.verdict;
            finding.why += "; " + costs.lack.why;
        }
    }

    static std::pair<double, double> over_processes(std::span<SideFigure const> figures, double value) {
        auto const interval = median_estimate_of_sorted(sorted_values(figures));
        return {interval.low.value_or(value), interval.high.value_or(value)};
    }

    std::optional<double> over_attempts(SideCell const& cell, char side, std::size_t metric,
                                        std::size_t component) const {
        std::vector<double> values;
        for (auto const& attempt : evidence_.attempts)
            if (attempt.cell == cell.cell.id && attempt.side == side)
                if (auto const value = process_value(attempt.measurement, metric, component)) values.push_back(*value);
        return values.empty() ? std::nullopt : std::optional(median(std::move(values)));
    }

    GatePolicy const& policy_;
    std::vector<PolicyRule> const& rules_;
    Evidence const& evidence_;
    std::vector<CellPair> pairs_;
    GateOutcome outcome_;
    std::string excuse_;
};

}  // namespace

GateOutcome judge_gate(GatePolicy const& policy, std::vector<PolicyRule> const& rules, Evidence const& evidence) {
    return Judge(policy, rules, evidence).run();
}

}  // namespace kvstone
