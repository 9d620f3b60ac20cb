#pragma once

namespace kvstone {

/// A confidence interval.
struct Interval {
    double low = 0;
    double high = 0;
};

}  // namespace kvstone
