#pragma once
// A model's cache, layer by layer, as its GGUF file describes it. Metadata and the names of tensors are read; weights
// are not.

#include <cstdint>
#include <string>

#include "harness/sources/model_cache.hpp"

namespace kvstone {

/// The names of a layer's tensors decide whether it keeps K and V, a state, both, or nothing. Metadata (below the
/// architecture's name) gives the sizes: attention.head_count, head_count_kv (one number, or one a layer), key_length
/// and value_length (embedding_length over the heads without them; key_length_swa and value_length_swa of layers with a
/// window), sliding_window with sliding_window_pattern (or the engine's pattern for the architecture: Gemma 2 and 3,
/// gpt-oss, Command R7B, Llama 4), shared_kv_layers, kv_lora_rank with rope.dimension_count, ssm.*, kda.head_dim. The
/// path may name any part of a file in parts. Throws SystemError where the file cannot be read, CorruptData where it is
/// no GGUF file, ConfigError where a key is missing or where one that may change the cache is unknown, or where this
/// build reads no models.
ModelCache read_gguf_cache(std::string const& path);

/// The longest context that the model was trained on, as its file says (context_length); 0 where it does not, where the file
/// cannot be read (reading the model then gives the reason), or where this build reads no models.
std::uint64_t trained_tokens_of(std::string const& path);

/// The type of element that most bytes of a model's weights have, as ggml calls it: "f16", "q4_1". Throws as read_gguf_cache()
/// where the file cannot be read or is no GGUF file; "?" where this build reads no models.
std::string weights_type_of(std::string const& path);

}  // namespace kvstone
