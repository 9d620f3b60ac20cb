#pragma once
// What must hold of a codec besides its figures. Untimed; the codec under the clock takes no part.

#include <span>

#include "codecs/tensor_codec.hpp"
#include "harness/distortion.hpp"
#include "harness/workloads/workbench.hpp"
#include "results/measurement.hpp"

namespace kvstone {

/// Gives an attempt that is ok so far a status and "COMPONENT: REASON"; the first reason stays.
void refuse(Measurement& measurement, Status status, std::string const& component, std::string const& reason);

/// Refuses finite values that came back as NaN or infinite, and NaN or infinities that did not come back.
void check_values(ErrorSums const& sums, std::string const& component, Measurement& measurement);

/// Whether decoding reads what is stored: spoils bytes of the container's largest plane, below the checksum, and looks
/// for a difference to what was decoded before. Decoding to a complaint is one. The container, what `codec` holds and
/// what the bench has decoded are spent afterwards.
bool stored_bytes_matter(TensorCodec& codec, std::span<std::byte> container, Workbench const& bench,
                         std::uint64_t decoded_hash);

/// How many values come back further from the original than the codec declares, through a sealed container. Looks at
/// the first tokens of all layers and heads, 2^18 values or one token: the bounds are a slow reference, which the
/// conformance tests hold against whole tensors.
std::uint64_t values_beyond_bounds(Codec const& codec, Component component, Workbench const& bench, BackendKind kind,
                                   Rope const* rope);

}  // namespace kvstone
