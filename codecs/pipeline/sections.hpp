#pragma once
// Which rule takes which part of a tensor.

#include <cstdint>
#include <vector>

#include "codecs/codec.hpp"
#include "codecs/pipeline/pipeline.hpp"

namespace kvstone {

struct RuledSection {
    Section section;
    std::size_t rule = 0;     ///< index into Codec::rules()
    bool kept_plain = false;  ///< sinks or a window as plain floating-point numbers: billed as window
};

/// Layers and heads at which the rules may change, and at the end the number of layers and heads.
struct ColumnCuts {
    std::vector<std::uint64_t> layers;
    std::vector<std::uint64_t> heads;
};
/// Throws ConfigError where a rule names layers or heads beyond the shape, or where there are too many parts. Ranges
/// from 0 on, as in layers(0-9), take all layers of a shape with fewer.
ColumnCuts cut_columns(Codec const& codec, Component component, KvShape const& shape);

/// Cuts a tensor into the largest boxes that belong to one rule each. The tokens of each layer and head are cut into
/// runs (see token_runs.hpp: windows start where the pages before them are whole); runs of the same rule and the same
/// tokens are one section, which grows along heads first and then along layers. Sections come in the order of their
/// first values. Sinks, windows and last layers longer than the tensor take all of it; an empty tensor has no section.
/// `pipelines` has one for each rule. Throws ConfigError as cut_columns().
std::vector<RuledSection> cut_sections(Codec const& codec, std::vector<Pipeline> const& pipelines, Component component,
                                       KvShape const& shape, ElementType type);

}  // namespace kvstone
