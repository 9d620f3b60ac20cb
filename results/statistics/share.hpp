#pragma once

#include <cstdint>

#include "results/statistics/estimate.hpp"

namespace kvstone {

/// An observed share of trials with its exact 95% bounds.
struct Share {
    std::uint64_t found = 0;
    std::uint64_t trials = 0;
    double share() const { return trials == 0 ? 0 : static_cast<double>(found) / static_cast<double>(trials); }
    /// Largest and smallest share at which so few, or so many, come with 5% probability (Clopper and Pearson, one-sided).
    double upper_bound() const;
    double lower_bound() const;
};

/// Wilson's 95% interval of a share of `count` trials, which need not be whole: so many independent ones bear the same
/// variance. Requires count > 0.
Interval wilson_interval(double share, double count);

}  // namespace kvstone
