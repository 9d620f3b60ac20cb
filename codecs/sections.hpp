#pragma once
// Which rule takes which part of a tensor.

#include <cstdint>
#include <vector>

#include "codecs/codec.hpp"
#include "codecs/stage.hpp"

namespace kvstone {

struct RuledSection {
    Section section;
    std::size_t rule = 0;  ///< index into Codec::rules()
};

/// Cuts a tensor into the largest boxes that fall to one rule each: from the first value that no box holds yet, a box
/// grows along tokens, then heads, then layers. Sinks, windows and last layers
/// longer than the tensor take all of it; an empty
/// tensor has no section. Throws ConfigError where a rule names layers or heads beyond the shape.
std::vector<RuledSection> cut_sections(Codec const& codec, Component component, KvShape const& shape, ElementType type);

}  // namespace kvstone
