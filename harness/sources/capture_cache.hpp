#pragma once
// Captures of models, kept as safetensors, so that a grid of codecs costs one prefill.

#include <functional>
#include <string>

#include "harness/tensor_source.hpp"

namespace kvstone {

/// $XDG_CACHE_HOME/kvstone/captures, or below $HOME/.cache; empty where neither is set.
std::string capture_folder();

/// The capture of `key` (whatever decides its values), from the folder's file for it, or else made by `capture` and put
/// there: by one process at a time, as a whole or not at all. A file that is damaged, or that holds another key, is
/// replaced. Where the folder cannot be written, the capture is returned all the same, and metadata["cache"] says why
/// it was not kept. An empty folder means no cache. Throws what `capture` throws.
KvTensors cached_capture(std::string const& folder, Json const& key, Needs needs,
                         std::function<KvTensors()> const& capture);

}  // namespace kvstone
