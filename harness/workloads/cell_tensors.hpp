#pragma once

#include <optional>
#include <utility>

#include "codecs/codec.hpp"
#include "harness/attempts/attempt.hpp"
#include "harness/sources/tensor_source.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

/// The tensors of an attempt's cell, from load_tensors(). Where K or V of a dump are used and do not seem to have the
/// layout in which they are read (layout_check.hpp), the measurement's reason says "suspect_layout: k ..."; where the
/// last tokens or channels are all 0, it says "padded: k ...". Throws ConfigError "wrong_layout: k ..." where the data
/// contradict the layout.
KvTensors load_cell_tensors(AttemptRequest const& request, Needs needs, Measurement& measurement);

/// Passes K and V, those that exist, to `take(Component, HostTensor)` one after the other, so that K's memory can be
/// freed before V's turn. Throws CorruptData where there is neither.
template <class Take>
void take_k_and_v(KvTensors& tensors, Take const& take) {
    if (!tensors.k && !tensors.v) throw CorruptData("the source has neither K nor V");
    if (tensors.k) take(Component::k, *std::exchange(tensors.k, std::nullopt));
    if (tensors.v) take(Component::v, *std::exchange(tensors.v, std::nullopt));
}

}  // namespace kvstone
