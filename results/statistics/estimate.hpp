#pragma once

#include <optional>

namespace kvstone {

/// A confidence interval.
struct Interval {
    double low = 0;
    double high = 0;
};

/// A figure with its 95% confidence interval (functions with another confidence say so); no interval where there are
/// too few values for one.
struct Estimate {
    double value = 0;
    std::optional<double> low = {};
    std::optional<double> high = {};
};

}  // namespace kvstone
