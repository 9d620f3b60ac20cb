#include "results/statistics/night_rule.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <random>

#include "results/statistics/median.hpp"
#include "results/statistics/signed_rank.hpp"
#include "results/statistics/two_stage.hpp"

namespace kvstone {
namespace {

constexpr int resamples = 200;
constexpr double power = 0.9;
constexpr double rounding = 1 + 1e-12;  // counts over counts, beside products of decimal fractions
constexpr double infinite = std::numeric_limits<double>::infinity();

/// 1 / C(good + nights, nights): the probability of the least likely order.
double least_p(std::size_t good, std::size_t nights) {
    double p = 1;
    for (std::size_t i = 1; i <= nights; ++i) p *= static_cast<double>(i) / static_cast<double>(good + i);
    return p;
}

/// Pairs in which a recent night lies beyond the margin above a good one. Ties count for none: that errs towards a pass.
std::size_t pairs_above(std::span<double const> good, std::span<double const> recent, double margin) {
    std::size_t pairs = 0;
    for (double const night : recent)
        for (double const before : good) pairs += before < night - margin ? 1U : 0U;
    return pairs;
}

/// Whether today lies beyond the margin above most good nights.
bool is_slow(std::span<double const> good, double today, double margin) {
    return 2 * pairs_above(good, {&today, 1}, margin) > good.size();
}

double variance(std::span<double const> values) {
    double sum = 0, squares = 0;
    for (double const value : values) sum += value;
    double const mean = sum / static_cast<double>(values.size());
    for (double const value : values) squares += (value - mean) * (value - mean);
    return squares / static_cast<double>(values.size() - 1);
}

}  // namespace

NightRule::NightRule(std::size_t tests, double year_budget, double margin, std::size_t most_good)
    : level_(year_budget / (nights_per_year * static_cast<double>(tests))),
      margin_(std::log1p(margin)),
      most_good_(most_good) {}

std::size_t NightRule::needed() const {
    std::size_t good = 1;
    while (least_p(good, patience_nights) > level_ / night_lengths.size()) ++good;
    return good;
}

template <class GoodOf>
std::vector<NightRule::Usable> NightRule::usable(GoodOf const& good_of) {
    std::vector<Usable> found;
    for (auto const nights : night_lengths)
        if (auto const good = good_of(nights);
            good > 0 && least_p(good, nights) <= rounding * level_ / night_lengths.size()) {
            auto& tail = tails_[{good, nights}];
            if (tail.empty()) tail = rank_sum_tail(good, nights);
            found.push_back({nights, &tail});
        }
    double const level = rounding * level_ / static_cast<double>(found.size());
    for (auto& length : found)
        length.critical = static_cast<std::size_t>(
            std::ranges::find_if(*length.tail, [&](double p) { return p <= level; }) - length.tail->begin());
    return found;
}

std::size_t NightRule::alarm(std::span<double const> nights) {
    auto const good_of = [&](std::size_t recent) {
        return recent >= nights.size() ? 0 : std::min(nights.size() - recent, most_good_);
    };
    bool const full = nights.size() >= most_good_ + night_lengths.back();
    std::vector<Usable> some;
    if (full && full_.empty()) full_ = usable(good_of);
    if (!full) some = usable(good_of);
    for (auto const& length : full ? full_ : some) {
        auto const recent = nights.last(length.nights);
        auto const good = nights.first(nights.size() - recent.size()).last(good_of(recent.size()));
        if (is_slow(good, recent.back(), margin_) && pairs_above(good, recent, margin_) >= length.critical)
            return recent.size();
    }
    return 0;
}

double NightRule::found_by(std::span<double const> good, Usable const& length) const {
    auto const n = good.size();
    double const centre = median({good.begin(), good.end()});
    double const widening = upper_deviation(static_cast<double>(n));
    std::mt19937_64 random(n * 100 + length.nights);
    auto const draw = [&](std::size_t count, std::vector<double>& values) {
        values.clear();
        for (std::size_t i = 0; i < count; ++i) values.push_back((good[random() % n] - centre) * widening);
    };
    std::vector<double> shifts, before, recent, gaps;
    for (int i = 0; i < resamples; ++i) {
        draw(n, before);
        draw(length.nights, recent);
        gaps.clear();
        for (double const night : recent)
            for (double const old : before) gaps.push_back(old - night);
        // The rejecting number of pairs is above from this shift on.
        auto const at = gaps.begin() + static_cast<std::ptrdiff_t>(length.critical - 1);
        std::ranges::nth_element(gaps, at);
        shifts.push_back(margin_ + std::max(*at, median(before) - recent.back()));
    }
    auto const at = shifts.begin() + static_cast<std::ptrdiff_t>(power * resamples);
    std::ranges::nth_element(shifts, at);
    return std::expm1(*at);
}

NightVerdict NightRule::judge(std::span<NightValue const> nights, double target) {
    NightVerdict result;
    result.needed = needed();
    // Before the last J nights, and no more than are asked for.
    auto const good_before = [&](std::size_t recent) {
        std::vector<double> good;
        for (std::size_t i = nights.size() - std::min(recent, nights.size()); i-- > 0 && good.size() < most_good_;)
            if (nights[i].good) good.push_back(nights[i].log);
        return good;
    };
    std::map<std::size_t, std::vector<double>> good;
    for (auto const length : night_lengths) good[length] = good_before(length);
    auto const& before_today = good[1];
    double const today = nights.back().log;
    result.nights = 1;
    result.good = before_today.size();

    auto const recent_of = [&](std::size_t length) {
        std::vector<double> recent;
        for (auto const& night : nights.last(length)) recent.push_back(night.log);
        return recent;
    };
    auto const lengths = usable([&](std::size_t length) { return length > nights.size() ? 0 : good[length].size(); });
    bool alarmed = false;
    for (auto const& length : lengths) {
        auto const& before = good[length.nights];
        auto const pairs = pairs_above(before, recent_of(length.nights), margin_);
        double const p = std::min(1.0, (*length.tail)[pairs] * static_cast<double>(lengths.size()));
        if (!result.p || p < *result.p) {
            result.p = p;
            result.nights = length.nights;
            result.good = before.size();
        }
        alarmed = alarmed || (pairs >= length.critical && is_slow(before, today, margin_));
    }
    if (!before_today.empty()) {
        auto const change = shift_between(good[result.nights], recent_of(result.nights));
        auto const as_share = [](std::optional<double> const& log) {
            return log ? std::optional(std::expm1(*log)) : std::nullopt;
        };
        result.change = {std::expm1(change.value), as_share(change.low), as_share(change.high)};
    }

    result.detectable = infinite;
    if (before_today.size() >= result.needed) {
        // What the coming nights would find beside as many good nights as there are now.
        auto const coming = usable([&](std::size_t) { return before_today.size(); });
        for (auto const& length : coming) {
            result.detectable = std::min(result.detectable, found_by(before_today, length));
            if (result.detectable > target) continue;
            result.delay = length.nights;
            break;
        }
    }
    if (alarmed)
        result.verdict = Verdict::regression;
    else if (result.delay == 0)
        result.verdict = Verdict::inconclusive;
    else
        result.verdict =
            is_slow(before_today, today, std::log1p(target)) && today > *std::ranges::max_element(before_today)
                ? Verdict::advisory
                : Verdict::pass;
    return result;
}

std::optional<NightComponents> night_components(std::span<std::vector<double> const> nights) {
    std::vector<double> medians, own;
    for (auto const& processes : nights) {
        if (processes.empty()) continue;
        medians.push_back(median(processes));
        if (processes.size() < 2) continue;
        double const n = static_cast<double>(processes.size()), degrees = n - 1;
        double const typical = std::pow(1 - 2 / (9 * degrees), 3);
        own.push_back(variance(processes) / typical * (n > 2 ? std::numbers::pi / 2 : 1) / n);
    }
    if (medians.size() < 2 || own.empty()) return std::nullopt;
    double const level = median(medians), within = median(own);
    for (auto& value : medians) value = std::abs(value - level);
    double const all = 1.4826 * median(medians);
    return NightComponents{std::sqrt(std::max(0.0, all * all - within)), std::sqrt(within)};
}

}  // namespace kvstone
