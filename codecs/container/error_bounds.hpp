#pragma once
// The error that a codec allows each value: the stages' declared bounds, carried through the whole pipeline.

#include <span>
#include <vector>

#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"
#include "codecs/rope.hpp"

namespace kvstone {

/// For each value in packed [layer, head, token, dim] order the largest |decoded - original| that the codec allows, the
/// rounding to `type` included; infinity where it promises nothing (NaN, Inf, overflow). `original` holds the tensor's
/// values widened to f32, `rope` is the rotary embedding of K. A reference in double precision on the host, for
/// checking, not for speed.
std::vector<double> declared_error_bounds(Codec const& codec, Component component, KvShape const& shape,
                                          ElementType type, std::span<float const> original,
                                          Rope const* rope = nullptr);

}  // namespace kvstone
