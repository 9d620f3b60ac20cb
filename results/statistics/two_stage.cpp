#include "results/statistics/two_stage.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

constexpr int resamples = 1000;
constexpr double power = 0.9;
constexpr std::size_t least_blocks = 4;

double margin_of(TwoStage const& rule) { return std::log1p(rule.margin); }

std::size_t count_of(int blocks) { return static_cast<std::size_t>(blocks); }

}  // namespace

double upper_deviation(double n) {
    constexpr double quantile = -1.2816;
    double const degrees = n - 1, spread = 2 / (9 * degrees);
    return std::sqrt(n / (degrees * std::pow(1 - spread + quantile * std::sqrt(spread), 3)));
}

TwoStage two_stage_for(std::size_t tests, double campaign_alpha, double margin) {
    TwoStage rule;
    rule.margin = margin;
    rule.confirm_alpha = std::min(rule.screen_alpha, campaign_alpha / (static_cast<double>(tests) * rule.screen_alpha));
    rule.confirm_blocks =
        std::max(rule.confirm_blocks, 6 + static_cast<int>(std::ceil(-std::log2(rule.confirm_alpha))));
    return rule;
}

double block_effect(std::vector<double> a, std::vector<double> b) {
    return std::log(median(std::move(b))) - std::log(median(std::move(a)));
}

bool confirmed(TwoStage const& rule, std::span<double const> confirm) {
    return signed_rank_p(confirm, margin_of(rule)) <= rule.confirm_alpha;
}

bool suspected(TwoStage const& rule, std::span<double const> screen) {
    return signed_rank_p(screen, margin_of(rule)) <= rule.screen_alpha;
}

double detectable_slowdown(TwoStage const& rule, std::span<double const> blocks) {
    auto const n = blocks.size();
    if (n < least_blocks) return std::numeric_limits<double>::infinity();
    double const centre = hodges_lehmann(blocks).value;
    double const widening = upper_deviation(static_cast<double>(n));
    auto const to_suspect = rejecting_walsh_averages(count_of(rule.screen_blocks), rule.screen_alpha);
    auto const to_confirm = rejecting_walsh_averages(count_of(rule.confirm_blocks), rule.confirm_alpha);
    if (!to_suspect || !to_confirm) return std::numeric_limits<double>::infinity();
    std::mt19937_64 random(n);
    std::vector<double> shifts, resample;
    auto const lower_bound = [&](int count, std::size_t averages_above) {
        resample.clear();
        for (int i = 0; i < count; ++i) resample.push_back((blocks[random() % n] - centre) * widening);
        return nth_largest_walsh_average(resample, averages_above);
    };
    for (int i = 0; i < resamples; ++i) {
        double const screen = lower_bound(rule.screen_blocks, *to_suspect);
        double const confirm = lower_bound(rule.confirm_blocks, *to_confirm);
        shifts.push_back(margin_of(rule) - std::min(screen, confirm));
    }
    auto const at = shifts.begin() + static_cast<std::ptrdiff_t>(power * resamples);
    std::ranges::nth_element(shifts, at);
    return std::expm1(*at);
}

TimingVerdict judge_timing(TwoStage const& rule, std::span<double const> screen, std::span<double const> confirm,
                           double target) {
    TimingVerdict result;
    result.screen_p = signed_rank_p(screen, margin_of(rule));
    bool const suspect = result.screen_p <= rule.screen_alpha;
    bool complete = screen.size() >= count_of(rule.screen_blocks);
    std::vector<double> blocks(screen.begin(), screen.end());
    if (suspect && !confirm.empty()) {
        result.confirm_p = signed_rank_p(confirm, margin_of(rule));
        blocks.assign(confirm.begin(), confirm.end());
    }
    if (suspect) complete = complete && confirm.size() >= count_of(rule.confirm_blocks);
    if (!blocks.empty()) {
        auto const effect = hodges_lehmann(blocks);
        result.slowdown.value = std::expm1(effect.value);
        if (effect.low) result.slowdown.low = std::expm1(*effect.low);
        if (effect.high) result.slowdown.high = std::expm1(*effect.high);
    }
    result.detectable = detectable_slowdown(rule, blocks);
    if (result.confirm_p && confirmed(rule, confirm))
        result.verdict = Verdict::regression;
    else
        result.verdict = complete && result.detectable <= target ? Verdict::pass : Verdict::inconclusive;
    return result;
}

}  // namespace kvstone
