#pragma once

#include "backends/kv_view.hpp"
#include "codecs/calibration.hpp"

namespace kvstone {

/// Principal axes of a tensor in host memory, of any element type. Tokens with NaN or Inf in a group are left out. Throws
/// ConfigError where `groups` do not go into the shape.
TensorBases fit_tensor(KvView const& tensor, CalibrationGroups const& groups);

}  // namespace kvstone
