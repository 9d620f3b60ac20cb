// The evidence of a gate's blocks of attempts about a timing.

#include <algorithm>
#include <array>
#include <map>
#include <unordered_map>

#include <fmt/format.h>

#include "results/statistics/median.hpp"
#include "results/verdict/gate.hpp"

namespace kvstone {

std::vector<TimingTest> timing_tests(std::vector<PolicyRule> const& rules, Side const& base, Side const& head) {
    std::vector<TimingTest> tests;
    std::unordered_map<std::string_view, SideCell const*> before;
    for (auto const& cell : base.cells)
        if (cell.status == "ok") before[cell.cell.id] = &cell;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (!rules[i].timed()) continue;
        for (auto const& cell : head.cells)
            if (auto const old = before.find(cell.cell.id);
                cell.status == "ok" && old != before.end() && rules[i].source.cells.takes(cell.cell))
                for (auto const component : components_of(rules[i].source.component, rules[i].metric, cell))
                    if (!find_figures(*old->second, rules[i].metric, component).empty() &&
                        (rules[i].suspected_by.empty() || suspected(rules[i], *old->second, cell, component).suspect))
                        tests.push_back({i, &cell, component});
    }
    return tests;
}

TwoStage phases_of(GatePolicy const& policy, PolicyRule const& rule, Evidence const& evidence) {
    auto phases = two_stage_for(std::max<std::size_t>(evidence.tests, 1), policy.error_budget,
                                rule.source.margin.value_or(policy.margin));
    phases.screen_blocks = evidence.screen_blocks;
    // A finding that needed this many blocks cannot be confirmed, at a stricter level, with fewer.
    phases.confirm_blocks = std::max(phases.confirm_blocks, phases.screen_blocks);
    return phases;
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

namespace {

/// Measured anew, it would be the same.
bool is_final(Status status) { return status == Status::verify_failed || status == Status::skipped; }

/// The results of one launch of a block, side by side.
struct Launch {
    std::array<std::vector<double>, 2> values;
    GateAttempt const* bad = nullptr;      ///< the first that is not ok
    GateAttempt const* without = nullptr;  ///< the first that is ok and has no such figure

    bool whole() const { return values[0].size() == 2 && values[1].size() == 2; }
};

/// By block and launch.
std::map<int, std::map<int, Launch>> launches_of(std::vector<GateAttempt> const& attempts, std::string const& cell,
                                                 std::string_view phase, std::size_t metric, std::size_t component) {
    std::map<int, std::map<int, Launch>> blocks;
    for (auto const& attempt : attempts) {
        if (attempt.cell != cell || attempt.phase != phase) continue;
        auto& launch = blocks[attempt.block][attempt.launch];
        auto const value = process_value(attempt.measurement, metric, component);
        if (value && *value > 0)
            launch.values[attempt.side == 'A' ? 0 : 1].push_back(*value);
        else if (attempt.measurement.status != Status::ok)
            launch.bad = launch.bad == nullptr ? &attempt : launch.bad;
        else
            launch.without = launch.without == nullptr ? &attempt : launch.without;
    }
    return blocks;
}

}  // namespace

std::vector<double> block_effects(std::vector<GateAttempt> const& attempts, std::string const& cell,
                                  std::string_view phase, std::size_t metric, std::size_t component) {
    std::vector<double> effects;
    for (auto const& [block, launches] : launches_of(attempts, cell, phase, metric, component))
        for (auto const& [number, launch] : launches) {
            if (!launch.whole()) continue;
            double const longer = block_effect(launch.values[0], launch.values[1]);
            effects.push_back(metrics()[metric].better == Better::higher ? -longer : longer);
            break;
        }
    return effects;
}

BlockTrouble block_trouble(std::vector<GateAttempt> const& attempts, std::string const& cell, std::string_view phase,
                           std::size_t metric, std::size_t component) {
    BlockTrouble trouble;
    for (auto const& [block, launches] : launches_of(attempts, cell, phase, metric, component)) {
        int failed = 0;
        bool whole = false;
        for (auto const& [number, launch] : launches) {
            whole = whole || launch.whole();
            auto const* const attempt = launch.bad != nullptr ? launch.bad : launch.without;
            if (attempt == nullptr) continue;
            failed += launch.bad != nullptr ? 1 : 0;
            if (launch.bad != nullptr && is_final(launch.bad->measurement.status)) failed = gate_block_tries;
            trouble.lacks = trouble.lacks || launch.bad == nullptr;
            auto const* const side = attempt->side == 'A' ? "base" : "head";
            trouble.why =
                launch.bad == nullptr
                    ? fmt::format("the {}'s timed attempts have no {}", side, metrics()[metric].name)
                    : fmt::format("{}: {}{}{}", side, name_of(attempt->measurement.status),
                                  attempt->measurement.reason.empty() ? "" : ": ", attempt->measurement.reason);
        }
        trouble.failed += failed;
        trouble.given_up = trouble.given_up || (!whole && failed >= gate_block_tries);
    }
    return trouble;
}

}  // namespace kvstone
