// The verdict on a timing over nights, and what is said about it.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "results/record/build.hpp"
#include "results/statistics/median.hpp"
#include "results/verdict/gate.hpp"

namespace kvstone {
namespace {

std::string percent(double share) { return share <= 1 ? fmt::format("{:.1f}%", 100 * share) : "only more than 100%"; }

/// The change began about so many nights ago: the last night thereabouts with another toolchain than today's; null where
/// there is none. A toolchain that came long before the change, or after it, did not make it.
Night const* of_other_toolchain(NightTiming const& timing, std::size_t nights) {
    constexpr std::size_t about = 3;
    auto const& today = timing.nights.back()->side;
    auto const first = timing.nights.size() - std::min(timing.nights.size(), nights + about);
    for (std::size_t i = timing.nights.size(); i-- > first;)
        if (timing.nights[i]->side.toolchain != today.toolchain) return timing.nights[i];
    return nullptr;
}

std::string commits_between(GatePolicy const& policy, NightSeries const& series, std::string const& since) {
    Night const* good = nullptr;
    for (auto const& night : series.nights) {
        if (night.campaign == since) break;
        if (night.good) good = &night;
    }
    auto const& bad = series.nights.back();
    if (good == nullptr || good->side.git_sha.empty() || good->side.git_sha == bad.side.git_sha) return "";
    return fmt::format("the commits since then: kvstone bisect {} {:.12} {:.12}", policy.path, good->side.git_sha,
                       bad.side.git_sha);
}

}  // namespace

NightRule night_rule_of(GatePolicy const& policy, PolicyRule const& rule, Evidence const& evidence) {
    return {std::max<std::size_t>(evidence.tests, 1), policy.error_budget, rule.source.margin.value_or(policy.margin),
            evidence.nights->most_good};
}

std::string first_night_of(NightSeries const& series, std::vector<Finding> const& findings) {
    for (auto const& night : series.nights)
        for (auto const& finding : findings)
            if (finding.verdict == Verdict::regression && finding.since == night.campaign) return night.campaign;
    return "";
}

void judge_nights(NightRule& nights, Evidence const& evidence, PolicyRule const& rule, SideCell const& cell,
                  std::size_t component, Finding& finding) {
    auto const timing = night_timing(*evidence.nights, cell.cell.id, rule.metric, component);
    finding.target = rule.worse_by;
    if (timing.values.empty() || timing.nights.back() != &evidence.nights->nights.back()) {
        finding.verdict = Verdict::missing;
        finding.why = "this night has no time of it";
        return;
    }
    auto const verdict = nights.judge(timing.values, rule.worse_by);
    std::vector<double> good;
    for (std::size_t i = 0; i + 1 < timing.values.size(); ++i)
        if (timing.values[i].good) good.push_back(timing.values[i].log);
    double const sign = metrics()[rule.metric].better == Better::higher ? -1 : 1;
    if (!good.empty()) finding.base = std::exp(sign * median(good));
    finding.head = std::exp(sign * timing.values.back().log);
    if (!good.empty()) finding.change = verdict.change;
    finding.screen_p = verdict.p;
    finding.detectable = verdict.detectable;
    finding.verdict = verdict.verdict;
    auto const change = fmt::format(
        "{:+.1f}% {}", 100 * verdict.change.value,
        verdict.nights == 1 ? std::string("tonight") : fmt::format("in the last {} nights", verdict.nights));
    auto const beside = fmt::format("{} beside {} good nights", change, verdict.good);
    switch (verdict.verdict) {
        case Verdict::regression: {
            auto const& since = *timing.nights[timing.nights.size() - verdict.nights];
            finding.why =
                fmt::format("{}, p {:.2g} at level {:.2g}; since {} (build {})", beside, *verdict.p, nights.level(),
                            since.name, build_name(since.side.git_sha, since.side.source_hash));
            finding.since = since.campaign;
            if (auto const* other = of_other_toolchain(timing, verdict.nights);
                other != nullptr && !evidence.across_toolchains) {
                finding.verdict = Verdict::inconclusive;
                finding.why += fmt::format("; but {} had another toolchain", other->name);
            }
            break;
        }
        case Verdict::advisory:
            finding.why =
                fmt::format("{}, beyond them all; one night alone proves nothing: --run measures in turns", beside);
            break;
        case Verdict::pass:
            finding.why =
                fmt::format("{}; {} would be found after {} nights", beside, percent(rule.worse_by), verdict.delay);
            break;
        default:
            finding.why = good.size() < verdict.needed
                              ? fmt::format("needs {} good nights, has {}", verdict.needed, good.size())
                              : fmt::format("{}; {} can be found within {} nights, {} is asked for", beside,
                                            percent(verdict.detectable), night_lengths.back(), percent(rule.worse_by));
    }
}

std::vector<std::string> notices_of_nights(GatePolicy const& policy, std::vector<PolicyRule> const& rules,
                                           Evidence const& evidence, std::vector<Finding> const& findings) {
    auto const& series = *evidence.nights;
    auto const good = std::ranges::count_if(series.nights.begin(), series.nights.end() - 1, &Night::good);
    std::vector<std::string> notices{
        fmt::format("night {} beside {} good nights; {} timings share an error budget of {:g}% a year",
                    series.nights.back().name, good, evidence.tests, 100 * policy.error_budget)};
    std::vector<double> between, within;
    for (auto const& rule : rules)
        for (auto const& cell : evidence.head.cells) {
            if (!rule.timed() || cell.status != "ok" || !rule.source.cells.takes(cell.cell)) continue;
            for (auto const component : components_of(rule.source.component, rule.metric, cell))
                if (auto const parts =
                        night_components(night_timing(series, cell.cell.id, rule.metric, component).processes)) {
                    between.push_back(parts->between);
                    within.push_back(parts->within);
                }
        }
    if (!between.empty())
        notices.push_back(
            fmt::format("deviation at the median timing: {:.2g}% from night to night, {:.2g}% within a night",
                        100 * median(between), 100 * median(within)));
    for (auto const& finding : findings) {
        if (finding.verdict != Verdict::regression || finding.since.empty()) continue;
        auto notice = commits_between(policy, series, finding.since);
        if (notice.empty()) continue;
        notices.push_back(std::move(notice));
        break;
    }
    return notices;
}

}  // namespace kvstone
