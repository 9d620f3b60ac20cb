#pragma once

#include <cstdint>
#include <string>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

struct NonFiniteValues {
    std::uint64_t count = 0;  ///< NaN and infinite values
    std::uint64_t first = 0;  ///< index of the first, where count > 0
};
NonFiniteValues find_non_finite(HostTensor const& tensor);

/// Throws CorruptData, beginning with `what`, with the count, the first place and its value, where a value of the
/// tensor is NaN or infinite: figures over such data would be meaningless.
void require_finite(HostTensor const& tensor, std::string const& what);

}  // namespace kvstone
