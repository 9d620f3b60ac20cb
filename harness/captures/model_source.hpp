#pragma once

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// From the cache of captures, or captured from the model and put there.
KvTensors load_model(Json const& source, Json const& locator, std::uint64_t context, Needs needs);

}  // namespace kvstone
