#include "harness/stopping_rule.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

constexpr double kTailProbability = 0.025;

/// Largest k with P(Binomial(n, 1/2) < k) <= the tail; 0 where there is none.
std::size_t interval_rank(std::size_t n) {
    double const count = static_cast<double>(n);
    double below = 0;
    for (std::size_t k = 0; k < n; ++k) {
        double const at = static_cast<double>(k);
        // log of C(n, k) / 2^n: the plain product overflows beyond a thousand samples.
        below += std::exp(std::lgamma(count + 1) - std::lgamma(at + 1) - std::lgamma(count - at + 1) -
                          count * std::log(2.0));
        if (below > kTailProbability) return k;
    }
    return 0;
}

}  // namespace

std::optional<Interval> median_interval(std::vector<double> samples) {
    auto const rank = interval_rank(samples.size());
    if (rank == 0) return std::nullopt;
    std::ranges::sort(samples);
    return Interval{samples[rank - 1], samples[samples.size() - rank]};
}

void warm_up(Measure const& measure, std::function<void()> const& pass) {
    auto const until = std::chrono::steady_clock::now() + std::chrono::duration<double>(measure.warm_up());
    do pass();
    while (measure.timing && std::chrono::steady_clock::now() < until);
}

void MedianIntervalRule::add(double pass_ns) {
    samples_.push_back(pass_ns);
    sum_s_ += pass_ns * 1e-9;
}

bool MedianIntervalRule::done() const {
    if (samples_.empty() || static_cast<double>(samples_.size()) < repetitions_ || sum_s_ < min_time_s_) return false;
    if (samples_.size() >= pass_cap || sum_s_ >= time_cap_factor * min_time_s_) return true;
    auto const interval = median_interval(samples_);
    return interval && (interval->high - interval->low) / 2 <= relative_half_width * median(samples_);
}

}  // namespace kvstone
