#pragma once
// What must hold of a codec besides its figures. Untimed; the codec under the clock takes no part.

#include <span>

#include "codecs/container/tensor_codec.hpp"
#include "harness/quality/distortion.hpp"
#include "harness/workloads/workbench.hpp"
#include "results/record/measurement.hpp"

namespace kvstone {

/// Gives an attempt that is ok so far a status and "COMPONENT: REASON"; the first reason stays.
void refuse(Measurement& measurement, Status status, std::string const& component, std::string const& reason);

/// Adds to the reason of a measurement that is ok. `loudly`: on standard error, too.
void warn(Measurement& measurement, std::string const& text, bool loudly = false);

/// Refuses finite values that came back as NaN or infinite, and NaN or infinities that did not come back.
void check_values(ErrorSums const& sums, std::string const& component, Measurement& measurement);

/// Whether decoding depends on the stored bytes.
enum class Dependence : std::uint8_t {
    shown,
    nothing_stored,  ///< the decoded values are all the same, whatever is altered; the codec does read what it stores
    none
};

/// Alters bytes of every plane of the container, below its checksum, at other places and by other values in each of a few
/// rounds, and looks for a difference to what the bench has decoded from it. Where nothing changes, or the decoder only
/// complains, the first tokens show it: the container of other values must decode to something else. What `decoder` holds
/// and what the bench has decoded are spent afterwards; the container is as before, unless a difference was found.
Dependence find_dependence(Codec const& codec, Component component, TensorCodec& decoder,
                           std::span<std::byte> container, Workbench const& bench, BackendKind kind, Rope const* rope);

/// How many values come back further from the original than the codec declares, through a sealed container. Looks at
/// the first tokens of all layers and heads, 2^18 values or one token: the bounds are a slow reference, which the
/// conformance tests hold against whole tensors.
std::uint64_t values_beyond_bounds(Codec const& codec, Component component, Workbench const& bench, BackendKind kind,
                                   Rope const* rope);

}  // namespace kvstone
