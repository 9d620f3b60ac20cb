#pragma once

#include "harness/attempts/attempt.hpp"
#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// The tensors of an attempt's cell, as load_tensors() brings them. Where K or V of a dump are judged and do not look as if
/// they lay as they are read (layout_check.hpp), the measurement's reason says so: "suspect_layout: k ...".
KvTensors load_cell_tensors(AttemptRequest const& request, Needs needs, Measurement& measurement);

}  // namespace kvstone
