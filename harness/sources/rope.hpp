#pragma once
// Rotary position embedding on the host, in double precision: for sources, inspection and tests. (Su et al. 2021,
// equation 34; pairs as GPT-J or as GPT-NeoX has them.) The stage unrope undoes it at the memory's speed.

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// Angles of one position step, one a pair.
std::vector<double> rope_frequencies(Rope const& rope);

/// An f32 copy of the tensor, whose token t is rotated for position t; backwards where `inverse`. Throws ConfigError
/// where rope.dims is odd, above the tensor's dim, or does not fit its frequency factors.
HostTensor rotate(HostTensor const& tensor, Rope const& rope, bool inverse);

Json to_json(Rope const& rope);
/// Throws nlohmann's exceptions where members are missing or of another type.
Rope rope_from_json(Json const& json);

}  // namespace kvstone
