#pragma once
// Models whose caches are known by name: known_models.txt has what counts of their config.json, a line a model.

#include <string>
#include <vector>

#include "harness/sources/model_cache.hpp"

namespace kvstone {

/// The whole list, in its order; empty where it does not ship with this build. Throws SystemError "FILE:LINE: ..." where a
/// line is none.
std::vector<ModelCache> known_models();

/// A model of the list, or a shape of shapes.hpp that is not in it: those keep every token in every layer. Throws ConfigError
/// where there is none, with the names there are.
ModelCache known_model(std::string const& name);

}  // namespace kvstone
