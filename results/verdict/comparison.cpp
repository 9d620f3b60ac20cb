#include "results/verdict/comparison.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "results/statistics/paired_accuracy.hpp"
#include "results/store/hardware_class.hpp"

namespace kvstone {
namespace {

constexpr double level = 0.05;

std::string better_or_worse(double worse) { return worse > 0 ? "worse" : worse < 0 ? "better" : "other"; }

void judge_exactly(Compared& result, Metric const& metric, std::string const& excuse) {
    double const worse = worse_by(metric, *result.base, *result.head);
    result.why = better_or_worse(worse);
    if (!excuse.empty()) {
        result.verdict = Verdict::inconclusive;
        result.why += "; " + excuse;
    } else {
        result.verdict = worse > 0                          ? Verdict::regression
                         : metric.better == Better::neither ? Verdict::inconclusive
                                                            : Verdict::pass;
        if (metric.better == Better::neither) result.why = "differs: the two sides measured different things";
    }
}

/// Campaigns at two times: changes of the machine in between are part of any difference.
void judge_time(Compared& result, Metric const& metric, std::vector<double> const& base,
                std::vector<double> const& head, std::string const& excuse, double margin) {
    std::vector<double> before, after;
    for (double const value : base) before.push_back(std::log(value));
    for (double const value : head) after.push_back(std::log(value));
    if (before.front() == -INFINITY || after.front() == -INFINITY) return;
    auto const shift = shift_between(before, after);
    result.change = Estimate{std::expm1(shift.value)};
    if (shift.low) result.change->low = std::expm1(*shift.low);
    if (shift.high) result.change->high = std::expm1(*shift.high);
    result.verdict = Verdict::advisory;
    result.why =
        shift.low ? "not interleaved: advisory" : "not interleaved, too few processes for an interval: advisory";
    result.within_margin = shift.low ? *shift.high >= -std::log1p(margin) && *shift.low <= std::log1p(margin)
                                     : std::abs(shift.value) <= std::log1p(margin);
    if (!shift.low || result.within_margin) return;
    double const worse = metric.better == Better::lower ? shift.value : -shift.value;
    result.why = fmt::format("{}, not interleaved: `gate --run` can decide", worse > 0 ? "slower" : "faster");
    if (!excuse.empty()) result.why += "; " + excuse;
    if (worse > 0 && excuse.empty()) result.verdict = Verdict::inconclusive;
}

/// How far the way a program was linked may move a count (docs/measuring.md, counts of work), with room: the shares that the
/// shipped rules of gates have. Nothing: so far that the count is not judged.
std::optional<double> moved_by_linking(Metric const& metric) {
    if (metric.name.ends_with("_branch_misses")) return std::nullopt;
    if (metric.name.ends_with("_l1_misses") || metric.name == "start_instructions") return 0.05;
    return metric.name == "program_bytes" ? 0.02 : 0.01;
}

void judge_count(Compared& result, Metric const& metric, std::string const& excuse) {
    double const worse = worse_by(metric, *result.base, *result.head);
    result.why = better_or_worse(worse);
    auto const margin = moved_by_linking(metric);
    result.within_margin = margin && std::abs(worse) <= *margin;
    if (!margin) {
        result.verdict = Verdict::advisory;
        result.why += ", by as much as linking may move it: advisory";
    } else if (worse > *margin) {
        result.verdict = excuse.empty() ? Verdict::regression : Verdict::inconclusive;
        result.why += fmt::format(" by more than {:g}%", 100 * *margin);
        if (!excuse.empty()) result.why += "; " + excuse;
    }
}

void judge_items(Compared& result, std::vector<double> const& base, std::vector<double> const& head,
                 std::string const& excuse, double margin) {
    PairedItems items{base.size(), 0, 0};
    for (std::size_t i = 0; i < base.size(); ++i) {
        items.lost += base[i] > head[i] ? 1U : 0U;
        items.won += base[i] < head[i] ? 1U : 0U;
    }
    result.change = accuracy_change(items);
    result.p = non_inferiority_p(items, margin);
    result.detectable = detectable_loss(items);
    result.why = fmt::format("{} items lost, {} won of {}", items.lost, items.won, items.items);
    if (*result.p <= level) {
        result.within_margin = std::abs(result.change->value) <= margin;
        return;
    }
    bool const lost = *result.change->high < 0;
    result.verdict = lost && excuse.empty() ? Verdict::regression : Verdict::inconclusive;
    if (!lost) result.why += fmt::format("; a loss of {:g} could go unseen among so few", *result.detectable);
    if (!excuse.empty()) result.why += "; " + excuse;
}

void judge_interval(Compared& result, Metric const& metric, std::span<SideFigure const> base,
                    std::span<SideFigure const> head, std::string const& excuse, double margin) {
    double const worse = worse_by(metric, *result.base, *result.head);
    result.why = better_or_worse(worse);
    auto const& before = base.front();
    auto const& after = head.front();
    bool const bounded = base.size() == 1 && head.size() == 1 && !std::isnan(before.low) && !std::isnan(after.low);
    bool const apart = bounded && (after.low > before.high || after.high < before.low);
    result.within_margin = bounded ? !apart : result.change && std::abs(result.change->value) <= margin;
    result.verdict =
        apart && worse > 0 ? (excuse.empty() ? Verdict::regression : Verdict::inconclusive) : Verdict::advisory;
    if (apart && worse < 0) result.verdict = Verdict::pass;
    result.why += apart     ? ", beyond both intervals"
                  : bounded ? ", within intervals: advisory"
                            : ", no interval: advisory";
    if (apart && worse > 0 && !excuse.empty()) result.why += "; " + excuse;
}

}  // namespace

Comparing comparing(Metric const& metric) {
    if (is_work(metric)) return Comparing::by_count;
    if (metric.deterministic) return Comparing::exactly;
    if (is_accuracy_of_items(metric.name)) return Comparing::by_items;
    return is_speed(metric) || is_energy(metric) ? Comparing::by_time : Comparing::by_interval;
}

std::string Circumstances::excuse(bool across_toolchains) const {
    if (!same_hardware) return "another hardware class";
    return same_toolchain || across_toolchains ? "" : "another toolchain";
}

Circumstances circumstances(Side const& base, Side const& head) {
    Circumstances result;
    // Another database may know the same hardware by another name.
    result.same_hardware =
        base.hardware_class == head.hardware_class || same_hardware(base.hardware_facts, head.hardware_facts);
    result.same_toolchain = base.toolchain == head.toolchain && base.build == head.build;
    if (!result.same_hardware)
        result.differences.push_back(fmt::format("hardware differs: {} ({}) and {} ({})",
                                                 base.hardware.empty() ? "?" : base.hardware, base.hardware_class,
                                                 head.hardware.empty() ? "?" : head.hardware, head.hardware_class));
    if (base.toolchain != head.toolchain)
        result.differences.push_back(fmt::format("toolchains differ: {} and {}", base.toolchain, head.toolchain));
    if (base.build != head.build)
        result.differences.push_back(fmt::format("builds are made differently: '{}' and '{}'", base.build, head.build));
    if (!base.energy.empty() && !head.energy.empty() && base.energy != head.energy)
        result.differences.push_back(fmt::format("energy is that of {} and of {}", base.energy, head.energy));
    return result;
}

double worse_by(Metric const& metric, double base, double head) {
    if (metric.better == Better::neither || base == head) return 0;
    double const change = base == 0 ? std::copysign(INFINITY, head) : (head - base) / std::abs(base);
    return metric.better == Better::lower ? change : -change;
}

Compared compare_figure(Side const& base, SideCell const& base_cell, Side const& head, SideCell const& head_cell,
                        std::size_t metric, std::size_t component, std::string const& excuse,
                        CompareOptions const& options) {
    auto const before = find_figures(base_cell, metric, component), after = find_figures(head_cell, metric, component);
    auto const& known = metrics()[metric];
    Compared result{
        .metric = metric, .component = component, .base = median_value(before), .head = median_value(after)};
    if (!result.base && !result.head) return result;
    if (!result.base || !result.head) {
        result.verdict = before.empty() ? Verdict::advisory : Verdict::missing;
        result.why = before.empty() ? "new" : after.empty() ? "no longer measured" : "null on one side";
        return result;
    }
    auto const how = comparing(known);
    if (*result.base != 0) result.change = Estimate{*result.head / *result.base - 1};
    auto const items = [&](Side const& side) -> std::vector<double> const* {
        auto const found =
            side.items.find({head_cell.cell.id, std::string(known.name), std::string(side_components[component])});
        return found == side.items.end() ? nullptr : &found->second;
    };
    if (how == Comparing::by_items) {
        auto const *const before_items = items(base), *const after_items = items(head);
        if (before_items != nullptr && after_items != nullptr && !before_items->empty() &&
            before_items->size() == after_items->size()) {
            judge_items(result, *before_items, *after_items, excuse, options.accuracy_margin);
            return result;
        }
    }
    if (is_energy(known) && base.energy != head.energy) {
        result.verdict = Verdict::inconclusive;
        result.why = "energy of other domains";
        return result;
    }
    if (how == Comparing::by_time) {
        judge_time(result, known, sorted_values(before), sorted_values(after), excuse, options.margin);
    } else if (*result.base != *result.head) {
        if (how == Comparing::exactly)
            judge_exactly(result, known, excuse);
        else if (how == Comparing::by_count)
            judge_count(result, known, excuse);
        else
            judge_interval(result, known, before, after, excuse, options.margin);
    }
    return result;
}

}  // namespace kvstone
