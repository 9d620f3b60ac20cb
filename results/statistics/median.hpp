#pragma once

#include <optional>
#include <span>
#include <vector>

#include "results/statistics/estimate.hpp"

namespace kvstone {

/// Mean of the two middle values where their number is even. Both require at least one value.
double median_of_sorted(std::span<double const> sorted);
double median(std::vector<double> values);

/// The 95% confidence interval of the median from order statistics, without assuming any distribution: the narrowest
/// symmetric pair X(k), X(n+1-k) with P(Binomial(n, 1/2) < k) <= 0.025. Nothing below 6 values, which are too few.
std::optional<Interval> median_interval_of_sorted(std::span<double const> sorted);
std::optional<Interval> median_interval(std::vector<double> values);

/// Median with that interval; 0 without values.
Estimate median_estimate_of_sorted(std::span<double const> sorted);

}  // namespace kvstone
