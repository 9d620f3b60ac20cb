#pragma once
// What must hold of a codec besides its figures. Untimed; the codec under the clock takes no part.

#include <span>

#include "codecs/tensor_codec.hpp"
#include "harness/workloads/workbench.hpp"

namespace kvstone {

/// Whether decoding reads what is stored: spoils bytes of the container's largest plane, below the checksum, and looks
/// for a difference to what was decoded before. Decoding to a complaint is one. The container, what `codec` holds and
/// what the bench has decoded are spent afterwards.
bool stored_bytes_matter(TensorCodec& codec, std::span<std::byte> container, Workbench const& bench,
                         std::uint64_t decoded_hash);

/// How many values come back further from the original than the codec declares, through a sealed container. Looks at
/// the first tokens of all layers and heads, 2^18 values or one token: the bounds are a slow reference, which the
/// conformance tests hold against whole tensors.
std::uint64_t values_beyond_bounds(Codec const& codec, Component component, Workbench const& bench, BackendKind kind);

}  // namespace kvstone
