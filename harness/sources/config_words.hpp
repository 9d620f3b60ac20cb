#pragma once
// Which keys of a model's config.json may change what its cache holds.

#include <string_view>

namespace kvstone {

/// By the words in its name, those left out that are known to change nothing: they are about weights, norms, scales, experts,
/// kernels, other parts of a model, or layers that draft.
bool may_change_cache(std::string_view key);
/// Whether layer_kinds() or cache_of_config() reads it.
bool is_understood(std::string_view key);

}  // namespace kvstone
