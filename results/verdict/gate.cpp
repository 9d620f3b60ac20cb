#include "results/verdict/gate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include "results/combine.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

constexpr double default_accuracy_margin = 0.01;

class Judge {
  public:
    Judge(GatePolicy const& policy, std::vector<PolicyRule> const& rules, Evidence const& evidence)
        : policy_(policy),
          rules_(rules),
          evidence_(evidence),
          verdicts_{.waived = std::vector<int>(policy.waivers.size())} {
        if (evidence.base) {
            for (auto const& cell : evidence.base->cells) base_cells_[cell.cell.id] = &cell;
            auto const around = circumstances(*evidence.base, evidence.head);
            excuse_ = around.excuse(evidence.across_toolchains);
            verdicts_.notices = around.differences;
        }
    }

    Verdicts run() {
        coverage();
        for (auto const& rule : rules_) judge(rule);
        for (auto const& joint : policy_.joint) judge(joint);
        for (std::size_t i = 0; i < policy_.waivers.size(); ++i)
            if (expired(policy_.waivers[i]))
                verdicts_.notices.push_back(
                    fmt::format("waiver expired on {}: {}", policy_.waivers[i].until, policy_.waivers[i].reason));
        return std::move(verdicts_);
    }

  private:
    bool expired(Waiver const& waiver) const { return waiver.until < evidence_.today; }

    static Decision about(std::string const& rule, SideCell const& cell, std::string_view metric = {},
                          std::string_view component = {}) {
        return {.rule = rule,
                .cell = cell.cell.id,
                .title = cell.title,
                .codec_name = cell.cell.codec_name,
                .component = std::string(component),
                .metric = std::string(metric)};
    }

    void decide(Decision decision, SideCell const* cell = nullptr) {
        auto counts = decision.warns ? std::min(decision.judgement, Judgement::advisory) : decision.judgement;
        for (std::size_t i = 0; i < policy_.waivers.size() && counts > Judgement::advisory; ++i) {
            auto const& waiver = policy_.waivers[i];
            bool const meant = (waiver.rule.empty() || waiver.rule == decision.rule) &&
                               (cell == nullptr ? waiver.cells.match.empty() : waiver.cells.takes(cell->cell));
            if (!meant || expired(waiver)) continue;
            decision.waiver = waiver.reason;
            ++verdicts_.waived[i];
            counts = Judgement::advisory;
        }
        verdicts_.judgement = worse(verdicts_.judgement, counts);
        verdicts_.decisions.push_back(std::move(decision));
    }

    SideCell const* base_of(SideCell const& cell) const {
        auto const found = base_cells_.find(cell.cell.id);
        return found == base_cells_.end() ? nullptr : found->second;
    }

    void coverage() {
        auto const state = [&](SideCell const& cell) {
            bool const absent = cell.status == "missing" || cell.status == "skipped";
            if (cell.status == "ok" || (cell.status == "skipped" && policy_.require.at_least.empty() && !was_ok(cell)))
                return;
            auto decision = about("coverage", cell);
            decision.judgement = absent ? Judgement::missing : Judgement::failed;
            decision.why = cell.status + (cell.reason.empty() ? "" : ": " + cell.reason);
            decide(std::move(decision), &cell);
        };
        if (policy_.require.all) {
            for (auto const& cell : evidence_.head.cells) state(cell);
            if (!evidence_.base) return;
            std::unordered_map<std::string, bool> there;
            for (auto const& cell : evidence_.head.cells) there[cell.cell.id] = true;
            for (auto const& cell : evidence_.base->cells)
                if (cell.status == "ok" && !there.contains(cell.cell.id)) {
                    auto decision = about("coverage", cell);
                    decision.judgement = Judgement::missing;
                    decision.why = "the head does not have this cell";
                    decide(std::move(decision), &cell);
                }
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
                        .judgement = Judgement::missing,
                        .why = "no cell is ok like " + selection.match.dump()});
        }
    }

    bool was_ok(SideCell const& cell) const {
        auto const* const base = base_of(cell);
        return base != nullptr && base->status == "ok";
    }

    void judge(PolicyRule const& rule) {
        std::size_t judged = 0, without_base = 0;
        for (auto const& cell : evidence_.head.cells) {
            if (cell.status != "ok" || !rule.source.cells.takes(cell.cell)) continue;
            for (auto const component : components_of(rule.source.component, rule.metric, cell)) {
                auto decision = about(rule.source.name, cell, metrics()[rule.metric].name, side_components[component]);
                decision.warns = rule.source.warns;
                if (!rule.relative)
                    judge_bound(rule, cell, component, decision);
                else if (auto const* const base = base_of(cell); base == nullptr || base->status != "ok") {
                    ++without_base;
                    continue;
                } else if (rule.timed() && evidence_.measured)
                    judge_blocks(rule, cell, component, decision);
                else
                    judge_beside(rule, *base, cell, component, decision);
                ++judged;
                decide(std::move(decision), &cell);
            }
        }
        if (without_base > 0)
            verdicts_.notices.push_back(
                fmt::format("'{}': {} figures have nothing to be compared with", rule.source.name, without_base));
        if (judged + without_base == 0) {
            decide({.rule = rule.source.name,
                    .metric = std::string(metrics()[rule.metric].name),
                    .judgement = Judgement::missing,
                    .why = "no cell that is ok has this figure",
                    .warns = rule.source.warns});
        }
    }

    void judge_bound(PolicyRule const& rule, SideCell const& cell, std::size_t component, Decision& decision) const {
        auto constraint = rule.bound;
        auto const figures = find_figures(cell, rule.metric, component);
        auto const value = median_value(figures);
        decision.head = value;
        if (rule.bound_metric) {
            auto const other = median_value(find_figures(cell, *rule.bound_metric, component));
            if (!other) {
                decision.judgement = Judgement::missing;
                decision.why = fmt::format("there is no {} to bound it", metrics()[*rule.bound_metric].name);
                return;
            }
            constraint.bound *= *other;
        }
        decision.target = constraint.bound;
        if (!value) {
            decision.judgement = Judgement::missing;
            decision.why = "null";
            return;
        }
        // A bound is broken where the whole interval lies beyond it, kept where the whole interval keeps it.
        bool const holds = constraint.holds_for(*value);
        auto low = *value, high = *value;
        if (figures.size() == 1 && !std::isnan(figures[0].low)) low = figures[0].low, high = figures[0].high;
        if (figures.size() > 1) std::tie(low, high) = over_processes(figures, *value);
        bool const all_hold = constraint.holds_for(constraint.upper ? high : low);
        bool const none_hold = !constraint.holds_for(constraint.upper ? low : high);
        decision.change = low == high ? std::nullopt : std::optional(Effect{*value, low, high});
        decision.judgement = all_hold ? Judgement::pass : none_hold ? Judgement::regression : Judgement::inconclusive;
        decision.why = fmt::format("{:g} {} {}{}", *value, holds ? "keeps" : "breaks", constraint.text(),
                                   all_hold || none_hold ? "" : ", but its interval spans the bound");
    }

    void judge_blocks(PolicyRule const& rule, SideCell const& cell, std::size_t component, Decision& decision) const {
        if (std::ranges::find(evidence_.untimed, cell.cell.id) != evidence_.untimed.end()) {
            decision.judgement = Judgement::advisory;
            decision.why = "not timed: the budget had no room for this cell";
            return;
        }
        auto const stages = stages_of(policy_, rule, evidence_);
        auto const effects = [&](char const* stage) {
            return block_effects(evidence_.attempts, cell.cell.id, stage, rule.metric, component);
        };
        auto const screen = effects("screen"), confirm = effects("confirm");
        auto const verdict = judge_timing(stages, screen, confirm, rule.worse_by);
        decision.target = rule.worse_by;
        decision.detectable = verdict.detectable;
        decision.screen_p = verdict.screen_p;
        decision.confirm_p = verdict.confirm_p;
        if (!screen.empty()) decision.change = verdict.slowdown;
        decision.base = over_attempts(cell, 'A', rule.metric, component);
        decision.head = over_attempts(cell, 'B', rule.metric, component);
        auto const slower = fmt::format("{:+.1f}%", 100 * verdict.slowdown.value);
        auto const detectable = std::isfinite(verdict.detectable) ? fmt::format("{:.1f}%", 100 * verdict.detectable)
                                                                  : std::string("nothing");
        switch (verdict.verdict) {
            case Verdict::pass:
                decision.why = fmt::format("{} in {} blocks; {} would have been found", slower,
                                           verdict.confirm_p ? confirm.size() : screen.size(), detectable);
                break;
            case Verdict::regression:
                decision.judgement = Judgement::regression;
                decision.why = fmt::format("{} in {} fresh blocks of as many launches, p {:.2g} at level {:.2g}",
                                           slower, confirm.size(), *verdict.confirm_p, stages.confirm_alpha);
                break;
            case Verdict::inconclusive:
                decision.judgement = Judgement::inconclusive;
                decision.why = fmt::format("{}; here {} can be found, {:.1f}% is asked for", slower, detectable,
                                           100 * rule.worse_by);
                bool const short_of = static_cast<int>(screen.size()) < stages.screen_blocks;
                bool const suspect = !short_of && verdict.screen_p <= stages.screen_alpha;
                if (short_of)
                    decision.why = fmt::format("{} of {} blocks are whole", screen.size(), stages.screen_blocks);
                else if (suspect && static_cast<int>(confirm.size()) < stages.confirm_blocks)
                    decision.why = fmt::format("{} suspected, {} of {} confirming blocks are whole", slower,
                                               confirm.size(), stages.confirm_blocks);
        }
        if (decision.judgement == Judgement::regression && !excuse_.empty()) {
            decision.judgement = Judgement::inconclusive;
            decision.why += "; " + excuse_;
        }
    }

    void judge_beside(PolicyRule const& rule, SideCell const& base, SideCell const& cell, std::size_t component,
                      Decision& decision) const {
        auto const how = comparing(metrics()[rule.metric]);
        CompareOptions options;
        options.across_toolchains = evidence_.across_toolchains;
        options.accuracy_margin = how == Comparing::by_items ? std::min(rule.worse_by, 0.999) : default_accuracy_margin;
        if (rule.source.margin) options.margin = *rule.source.margin;
        auto const figure =
            compare_figure(*evidence_.base, base, evidence_.head, cell, rule.metric, component, excuse_, options);
        decision.base = figure.base;
        decision.head = figure.head;
        decision.change = figure.change;
        decision.screen_p = figure.p;
        decision.detectable = figure.detectable;
        decision.target = rule.worse_by;
        decision.judgement = figure.judgement;
        decision.why = figure.why.empty() ? "equal" : figure.why;
        if (how == Comparing::by_time) {
            // Nobody knows what the machine did between two campaigns.
            decision.judgement = Judgement::inconclusive;
            return;
        }
        if (how == Comparing::by_items && figure.p) return;
        if (!figure.base || !figure.head) return;
        double const worse = kvstone::worse_by(metrics()[rule.metric], *figure.base, *figure.head);
        if (worse <= rule.worse_by) {
            decision.judgement = Judgement::pass;
            if (worse != 0)
                decision.why = fmt::format("{:.3g}% {}", 100 * std::abs(worse), worse > 0 ? "worse" : "better");
        } else if (decision.judgement == Judgement::advisory) {
            decision.judgement = Judgement::inconclusive;
        }
    }

    void judge(JointRule const& rule) {
        if (!evidence_.base) {
            verdicts_.notices.push_back(fmt::format("'{}': nothing to be compared with", rule.name));
            return;
        }
        auto const gain = metric_index(rule.gain);
        for (auto const& cell : evidence_.head.cells) {
            auto const* const base = base_of(cell);
            if (cell.status != "ok" || base == nullptr || base->status != "ok" || !rule.cells.takes(cell.cell))
                continue;
            for (auto const component : components_of({}, gain, cell)) judge_joint(rule, *base, cell, gain, component);
        }
    }

    void judge_joint(JointRule const& rule, SideCell const& base, SideCell const& cell, std::size_t gain,
                     std::size_t component) {
        auto decision = about(rule.name, cell, rule.gain, side_components[component]);
        decision.target = rule.by;
        decision.base = evidence_.measured ? over_attempts(cell, 'A', gain, component)
                                           : median_value(find_figures(base, gain, component));
        decision.head = evidence_.measured ? over_attempts(cell, 'B', gain, component)
                                           : median_value(find_figures(cell, gain, component));
        if (!decision.base || !decision.head) return;
        double const gained = -worse_by(metrics()[gain], *decision.base, *decision.head);
        std::string cost;
        for (auto const& name : rule.not_with) {
            auto const metric = metric_index(name);
            auto const before = median_value(find_figures(base, metric, component)),
                       after = median_value(find_figures(cell, metric, component));
            if (!before || !after) continue;
            double const worse = worse_by(metrics()[metric], *before, *after);
            if (worse > rule.tolerance)
                cost += fmt::format("{}{} {:.3g}% worse", cost.empty() ? "" : ", ", name, 100 * worse);
        }
        decision.why =
            fmt::format("{} {:.3g}% {}", rule.gain, 100 * std::abs(gained), gained >= 0 ? "better" : "worse");
        if (gained >= rule.by && !cost.empty()) {
            decision.judgement = excuse_.empty() ? Judgement::regression : Judgement::inconclusive;
            decision.why += ", bought with " + cost;
        }
        decide(std::move(decision), &cell);
    }

    static std::pair<double, double> over_processes(std::span<SideFigure const> figures, double value) {
        auto const interval = median_over_processes(sorted_values(figures));
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
    Verdicts verdicts_;
    std::unordered_map<std::string, SideCell const*> base_cells_;
    std::string excuse_;
};

}  // namespace

std::vector<TimingTest> timing_tests(std::vector<PolicyRule> const& rules, Side const& head) {
    std::vector<TimingTest> tests;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (!rules[i].timed()) continue;
        for (auto const& cell : head.cells)
            if (cell.status == "ok" && rules[i].source.cells.takes(cell.cell))
                for (auto const component : components_of(rules[i].source.component, rules[i].metric, cell))
                    tests.push_back({i, &cell, component});
    }
    return tests;
}

TwoStage stages_of(GatePolicy const& policy, PolicyRule const& rule, Evidence const& evidence) {
    auto stages = two_stage_for(std::max<std::size_t>(evidence.tests, 1), policy.error_budget,
                                rule.source.margin.value_or(policy.margin));
    stages.screen_blocks = evidence.screen_blocks;
    // What so many blocks were needed for cannot be confirmed, at a stricter level, with fewer.
    stages.confirm_blocks = std::max(stages.confirm_blocks, stages.screen_blocks);
    return stages;
}

std::optional<double> process_value(Measurement const& measurement, std::size_t metric, std::size_t component) {
    if (measurement.status != Status::ok) return std::nullopt;
    auto const name = metrics()[metric].name;
    auto const wanted = side_components[component];
    double sum = 0;
    int parts = 0;
    for (auto const& samples : measurement.samples) {
        if (samples.metric != name || samples.values.empty()) continue;
        if (samples.component == wanted) return median(samples.values);
        sum += median(samples.values);
        ++parts;
    }
    // A pass over K and V is one over each.
    if (wanted == "kv" && parts == 2 && metrics()[metric].unit == "ns") return sum;
    for (auto const& figure : measurement.figures)
        if (figure.metric == name && figure.component == wanted) return figure.value;
    return std::nullopt;
}

std::vector<double> block_effects(std::vector<GateAttempt> const& attempts, std::string const& cell,
                                  std::string_view stage, std::size_t metric, std::size_t component) {
    std::map<int, std::array<std::vector<double>, 2>> blocks;
    for (auto const& attempt : attempts) {
        if (attempt.cell != cell || attempt.stage != stage) continue;
        auto const value = process_value(attempt.measurement, metric, component);
        if (value && *value > 0) blocks[attempt.block][attempt.side == 'A' ? 0 : 1].push_back(*value);
    }
    std::vector<double> effects;
    for (auto const& [block, sides] : blocks) {
        if (sides[0].size() != 2 || sides[1].size() != 2) continue;
        double const longer = block_effect(sides[0], sides[1]);
        effects.push_back(metrics()[metric].better == Better::higher ? -longer : longer);
    }
    return effects;
}

Verdicts judge_gate(GatePolicy const& policy, std::vector<PolicyRule> const& rules, Evidence const& evidence) {
    return Judge(policy, rules, evidence).run();
}

}  // namespace kvstone
