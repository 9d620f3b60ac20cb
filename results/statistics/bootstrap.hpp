#pragma once

#include <functional>
#include <random>

#include "results/statistics/estimate.hpp"

namespace kvstone {

/// The 95% interval of a statistic by the percentile bootstrap: `again` computes the statistic over a resampled sample.
/// 1,000 draws from a fixed seed, so that the same samples have the same interval.
Interval bootstrap_interval(std::function<double(std::mt19937_64& random)> const& again);

}  // namespace kvstone
