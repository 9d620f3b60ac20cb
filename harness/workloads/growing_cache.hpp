#pragma once
// Which codecs a cache that grows token by token cannot measure, as far as their text tells.

#include <string>

#include "codecs/codec.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

/// Of workload append: why a codec that takes whole tensors alone has nothing to measure there, naming the stage and what
/// else it needs. Empty where the codec can follow.
std::string append_skips(Codec const& codec, Json const& options);

/// The same of a workload with a protocol, whose `context` takes any codec. That `inline` takes no windows, nor codecs of
/// several tokens, is found where the shape is known (harness/workloads/model/inline_path.cpp).
std::string protocol_skips(Codec const& codec, Json const& options);

}  // namespace kvstone
