#pragma once

#include <cstdint>

#include "results/statistics/estimate.hpp"

namespace kvstone {

/// An observed share of trials with its exact 95% bounds.
struct Share {
    std::uint64_t found = 0;
    std::uint64_t trials = 0;
    double share() const { return trials == 0 ? 0 : static_cast<double>(found) / static_cast<double>(trials); }
    /// Largest and smallest share at which this many successes or fewer, or more, have 5% probability (Clopper and
    /// Pearson, one-sided).
    double upper_bound() const;
    double lower_bound() const;
};

/// Wilson's 95% interval of a share of `count` trials, which may be a fraction: the number of independent trials with
/// the same variance. Requires count > 0.
Interval wilson_interval(double share, double count);

}  // namespace kvstone
