#pragma once
// Proofs of a codec besides its figures. Untimed; the timed codec object takes no part.

#include <span>

#include "codecs/container/tensor_codec.hpp"
#include "harness/quality/distortion.hpp"
#include "harness/workloads/workbench.hpp"
#include "results/record/measurement.hpp"

namespace kvstone {

/// Gives an attempt that is ok so far a status and the reason "COMPONENT: REASON"; the first reason stays.
void refuse(Measurement& measurement, Status status, std::string const& component, std::string const& reason);

/// Adds to the reason of a measurement that is ok. `loudly`: also prints it on standard error.
void warn(Measurement& measurement, std::string const& text, bool loudly = false);

/// Refuses finite values that came back as NaN or infinite, and NaN or infinities that did not come back.
void check_values(ErrorSums const& sums, std::string const& component, Measurement& measurement);

/// Whether decoding depends on the stored bytes.
enum class Dependence : std::uint8_t {
    shown,
    nothing_stored,  ///< the decoded values do not change, but the codec does read its stored bytes
    none
};

/// Alters bytes of every plane of the container, below its checksum, at other places and by other values in each of a
/// few rounds, and compares the decoded values with those that the bench decoded from the original container. Where
/// nothing changes, or the decoder only throws, the first tokens decide: the container of other values must decode to
/// other values. The contents of `decoder` and the decoded values of the bench are lost afterwards; the container is
/// restored, unless a difference was found.
Dependence find_dependence(Codec const& codec, Component component, TensorCodec& decoder,
                           std::span<std::byte> container, Workbench const& bench, BackendKind kind, Rope const* rope);

/// The number of values that have a larger error than the codec declares, through a sealed container. It reads the
/// first tokens of all layers and heads, 2^18 values or one token: the bounds are a slow reference, which the
/// conformance tests compare with whole tensors.
std::uint64_t values_beyond_bounds(Codec const& codec, Component component, Workbench const& bench, BackendKind kind,
                                   Rope const* rope);

}  // namespace kvstone
