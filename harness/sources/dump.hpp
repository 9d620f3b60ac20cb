#pragma once

#include <string>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// Writes the present tensors as safetensors named k, v, k_prerope and q, each [layer, head, token, dim] in its
/// own element type, with RoPE and metadata as texts: a dump source reads it back in place. As a whole or not at all;
/// an existing file is replaced. Throws SystemError, and ConfigError where there is no tensor to write.
void write_dump(std::string const& path, KvTensors const& tensors);

}  // namespace kvstone
