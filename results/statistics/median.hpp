#pragma once

#include <span>
#include <vector>

namespace kvstone {

/// Mean of the two middle values where their number is even. Both require at least one value.
double median_of_sorted(std::span<double const> sorted);
double median(std::vector<double> values);

}  // namespace kvstone
