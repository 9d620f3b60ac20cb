#pragma once

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// Obtains the tensors of a cell: source and locator as in Cell, the first `context` tokens
/// (0: all). Tensors of `needs` that the source does not have stay empty. Throws CorruptData for bad
/// content, SystemError for files that cannot be read, and ConfigError for a source that this build cannot serve.
KvTensors load_tensors(Json const& source, Json const& locator, std::uint64_t context, Needs needs = {});

}  // namespace kvstone
