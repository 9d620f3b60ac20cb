#pragma once
// What a GGUF file says of its model's cache, layer by layer. Metadata and the names of tensors are read; no weights are.

#include <string>

#include "harness/sources/model_cache.hpp"

namespace kvstone {

/// By the names of a layer's tensors: it keeps K and V, a state, both, or nothing. By metadata (below the architecture's name):
/// attention.head_count, head_count_kv (one number, or one a layer), key_length and value_length (embedding_length over the
/// heads without them; key_length_swa and value_length_swa of layers with a window), sliding_window with
/// sliding_window_pattern (or what the engine has for the architecture: Gemma 2 and 3, gpt-oss, Command R7B, Llama 4),
/// shared_kv_layers, kv_lora_rank with rope.dimension_count, ssm.*, kda.head_dim. Of a file in parts, any of them.
/// Throws SystemError where the file cannot be read, CorruptData where it is no GGUF file, ConfigError where a key is missing
/// or one that may change the cache is not understood, or where this build reads no models.
ModelCache read_gguf_cache(std::string const& path);

}  // namespace kvstone
