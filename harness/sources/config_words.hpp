#pragma once
// Keys of a model's config.json that may change its cache.

#include <string_view>

namespace kvstone {

/// Decides by the words in the key's name. Words known to change nothing are about weights, norms, scales, experts,
/// kernels, other parts of a model, or layers that draft.
bool may_change_cache(std::string_view key);
/// Whether layer_kinds() or cache_of_config() reads it.
bool is_understood(std::string_view key);

}  // namespace kvstone
