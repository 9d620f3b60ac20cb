#pragma once
// The kind of each layer of a model, from its config.json.

#include <cstdint>
#include <vector>

#include "harness/sources/config_keys.hpp"

namespace kvstone {

/// The content of a layer's cache: K and V of every token, of a window or a chunk of the last ones, a state, both, or
/// nothing.
enum class LayerKind : std::uint8_t { full, window, chunk, state, full_and_state, nothing };

/// One kind for each of `layers`, including layers that share another layer's K and V (they keep nothing). Throws
/// ConfigError as cache_of_config().
std::vector<LayerKind> layer_kinds(ConfigKeys const& keys, std::uint64_t layers);

}  // namespace kvstone
