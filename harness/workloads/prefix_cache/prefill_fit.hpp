#pragma once

#include <utility>
#include <vector>

#include "harness/workloads/prefix_cache/block_source.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// T(n) = a n + b n^2, the seconds to compute n tokens.
struct PrefillFit {
    double us_per_token = 0;           ///< a
    double ns_per_token_squared = 0;   ///< b, not below 0
    double largest_error_percent = 0;  ///< 100 x |T(n) / measured - 1|, over all lengths
};

/// Least squares of the relative error, over (tokens, seconds). REQUIRES: two lengths, all above 0.
PrefillFit fit_prefill(std::vector<std::pair<double, double>> const& measured);

/// Measures a quarter, a half, three quarters and all of the source's longest request, medians of `measure`'s
/// repetitions (3 at least), and fits. REQUIRES: the source computes.
PrefillFit measure_prefill(BlockSource& source, Measure const& measure);

}  // namespace kvstone
