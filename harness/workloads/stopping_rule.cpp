#include "harness/workloads/stopping_rule.hpp"

#include <chrono>

namespace kvstone {
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
