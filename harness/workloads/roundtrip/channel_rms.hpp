#pragma once
// Outlier channels, which make K hard to quantise.

#include <optional>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// The largest over layers and heads of: largest channel RMS / median channel RMS, taken over tokens. Values that are
/// not finite count as zero. Nothing where every head's median is zero.
std::optional<double> channel_rms_max_over_median(HostTensor const& tensor);

}  // namespace kvstone
