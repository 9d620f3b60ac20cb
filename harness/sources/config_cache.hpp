#pragma once
// A model's cache, layer by layer, as its config.json describes it.

#include <string>

#include "harness/sources/model_cache.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

/// `config` is the part about the text model (text_config_of()). These keys are read:
///   full attention       num_attention_heads, num_key_value_heads, head_dim (hidden_size over the heads without it), v_head_dim
///   latent attention     kv_lora_rank, qk_rope_head_dim
///   windows and chunks   sliding_window, use_sliding_window, max_window_layers, sliding_window_pattern, attention_chunk_size
///   layers of kinds      layer_types, layers_block_type, hybrid_override_pattern, full_attention_interval,
///                        attn_layer_period and _offset, attn_layer_indices, linear_attn_config, no_rope_layers, and
///                        the model type's default where its files have no key (Gemma 3: every 6th layer is full)
///   shared layers        num_kv_shared_layers: the last ones
///   states               linear_*, linear_attn_config, mamba_*, ssm_state_size, n_groups, conv_kernel
/// Layers of num_nextn_predict_layers are not counted: they keep a cache where an engine drafts with them, and a note
/// says so. Throws ConfigError, beginning with `what` and naming the key, where a key is missing, a layer is of an
/// unknown kind, or a key that may change the cache is unknown.
ModelCache cache_of_config(Json const& config, std::string const& what);

/// The same for a file; it gives the cache its name and its source.
ModelCache read_config_cache(std::string const& path);

}  // namespace kvstone
