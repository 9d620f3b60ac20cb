#pragma once
// K, V and Q of a GGUF model as it reads a text, through libllama.

#include <string>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// Runs the first `context` tokens of the text (0: all of it, at most as many as the model was trained on), including
/// the token that begins the text where the model expects one. Captures the tensors of `needs` as f32: K as it enters
/// the cache (after RoPE), K before RoPE, V, and Q as it is multiplied with K. The engine runs on the processor, with
/// an f32 cache and without flash attention, on as many threads as OpenMP has (small models on one).
///
/// metadata: architecture, name, tokens, engine. `rope` is set where the model's parameters, applied by us, turn K
/// before RoPE into K after it; else metadata["rope_note"] says so.
///
/// Throws SystemError where a file cannot be read, CorruptData where it is no GGUF file, ConfigError where the text or
/// the model's own limit is shorter than the context, or where the architecture's K and V do not have the usual names.
KvTensors capture_model(std::string const& model_path, std::string const& text_path, std::uint64_t context,
                        Needs needs);

}  // namespace kvstone
