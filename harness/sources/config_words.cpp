#include "harness/sources/config_words.hpp"

#include <algorithm>

namespace kvstone {
namespace {

constexpr std::string_view telling = R"(
    attn attention window layer kv key_value cache state ssm mamba linear conv chunk lora pattern interval period
    index_ indexer head recurrent hybrid block memory compress nextn mtp swa rwkv wkv retention sink local global
    sparse_att decoder_arch multi_query encoder)";

constexpr std::string_view understood = R"(
    attention_chunk_size attention_head_dim attention_k_eq_v attn_layer_indices attn_layer_offset attn_layer_period
    conv_kernel full_attention_interval global_head_dim head_dim hybrid_override_pattern kv_lora_rank layer_types
    layers_block_type linear_attn_config linear_conv_kernel_dim linear_head_dim linear_key_head_dim linear_num_heads
    linear_num_key_heads linear_num_value_heads linear_value_head_dim mamba_d_conv mamba_d_head mamba_d_ssm
    mamba_d_state mamba_expand mamba_head_dim mamba_n_groups mamba_n_heads mamba_num_heads max_window_layers
    multi_query n_head n_heads n_layer n_layers new_decoder_architecture no_rope_layer_interval no_rope_layers
    num_attention_heads num_global_key_value_heads num_hidden_layers num_key_value_heads num_kv_heads
    num_kv_shared_layers num_mtp_layers num_nextn_predict_layers qk_rope_head_dim sliding_window
    sliding_window_pattern ssm_state_size use_sliding_window v_head_dim)";

constexpr std::string_view harmless = R"(
    _attn_implementation _attn_implementation_autoset activation_sparsity_pattern
    apply_residual_connection_post_layernorm attention_bias attention_dropout attention_in_multiplier
    attention_multiplier attention_out_bias attention_out_multiplier attention_probs_dropout_prob attention_scale
    attention_softmax_in_fp32 attn_implementation attn_logit_softcapping attn_output_gate attn_pdrop attn_scale
    attn_temperature_tuning cache_implementation chunk_size expert_layer_offset expert_layer_period
    first_last_layers_bf16 for_llm_compressor hidden_size_per_layer_input interleave_moe_layer_step
    layer_norm_elementwise_affine layer_norm_eps layer_norm_epsilon layer_scale_init_value layerdrop
    layernorm_epsilon lm_head_bias lm_head_multiplier mamba_chunk_size mamba_conv_bias mamba_dt_init_floor
    mamba_dt_limit mamba_dt_max mamba_dt_min mamba_dt_rank mamba_hidden_act mamba_inner_layernorms
    mamba_norm_before_gate mamba_proj_bias mamba_rms_norm mamba_ssm_cache_dtype mamba_ssm_dtype mamba_use_mlp
    mlp_layer_types mlp_only_layers moe_layer_end_index moe_layer_freq moe_layer_start_index moe_layers
    mtp_hybrid_override_pattern mtp_layers_block_type mtp_num_hidden_layers mtp_use_dedicated_embeddings
    n_local_experts num_ln_in_parallel_attn num_local_experts parallel_attn q_lora_rank qk_head_dim qk_layernorm
    qk_nope_head_dim reorder_and_upcast_attn rope_local_base_freq scale_attn_by_inverse_layer_idx scale_attn_weights
    ssm_in_multiplier ssm_multipliers ssm_out_multiplier use_cache use_conv_bias use_mamba_kernels
    vocab_size_per_layer_input)";

/// Of words between blanks and line ends, whether one is such.
template <class Is>
bool any_word(std::string_view words, Is const& is) {
    while (true) {
        auto const first = words.find_first_not_of(" \n");
        if (first == std::string_view::npos) return false;
        words.remove_prefix(first);
        auto const end = std::min(words.find_first_of(" \n"), words.size());
        if (is(words.substr(0, end))) return true;
        words.remove_prefix(end);
    }
}

}  // namespace

bool may_change_cache(std::string_view key) {
    return any_word(telling, [&](auto word) { return key.find(word) != std::string_view::npos; }) &&
           !any_word(harmless, [&](auto word) { return word == key; });
}

bool is_understood(std::string_view key) {
    return any_word(understood, [&](auto word) { return word == key; });
}

}  // namespace kvstone
