#pragma once

#include <optional>

namespace kvstone {

/// A confidence interval.
struct Interval {
    double low = 0;
    double high = 0;
};

/// A figure with its 95% confidence interval (another confidence is said where it is made); no interval where so few
/// values bear none.
struct Estimate {
    double value = 0;
    std::optional<double> low = {};
    std::optional<double> high = {};
};

}  // namespace kvstone
