#pragma once
// The facts of one layer for inspect (inspect.hpp defines each member).

#include <span>
#include <vector>

#include "harness/inspection/head_sums.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

/// The median; of an even number of values the upper one of the two in the middle, so that it is one of the values.
/// Requires a value.
double upper_median(std::vector<double> values);

/// `heads`: the sums of the layer's heads; `variances`: their principal_variances().
Json layer_facts(std::span<HeadSums const> heads, std::span<std::vector<double> const> variances, KvShape const& shape);

}  // namespace kvstone
