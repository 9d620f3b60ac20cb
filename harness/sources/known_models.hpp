#pragma once
// Models whose caches are known by name: known_models.txt has the relevant keys of their config.json, one line per
// model.

#include <string>
#include <vector>

#include "harness/sources/model_cache.hpp"

namespace kvstone {

/// The whole list, in its order; empty where it does not ship with this build. Throws SystemError "FILE:LINE: ..." for
/// a malformed line.
std::vector<ModelCache> known_models();

/// A model of the list, or a shape of shapes.hpp that is not in it: those keep every token in every layer. Throws
/// ConfigError, with the known names, where there is none.
ModelCache known_model(std::string const& name);

}  // namespace kvstone
