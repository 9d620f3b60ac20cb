#pragma once
// Codecs that a cache growing token by token cannot measure, judged by their text.

#include <string>

#include "codecs/codec.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

/// For workload append: why it cannot measure a codec that takes whole tensors alone, naming the stage and its other
/// needs. Empty where it can.
std::string append_skips(Codec const& codec, Json const& options);

/// The same for a workload with a protocol; its `context` takes any codec. Limits of `inline` (no windows, no codecs of
/// several tokens) are checked where the shape is known (harness/workloads/model/inline_path.cpp).
std::string protocol_skips(Codec const& codec, Json const& options);

}  // namespace kvstone
