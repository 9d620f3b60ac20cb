#pragma once
// Tokens and channels that a tensor has room for but does not use.

#include <cstdint>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// The number of tokens, and of channels, up to the last one that is not 0 in every head; 0 of both where all values
/// are 0.
struct UsedPart {
    std::uint64_t tokens = 0;
    std::uint64_t dim = 0;
};
/// Reads little more than the unused part.
UsedPart used_part(HostTensor const& tensor);

}  // namespace kvstone
