#include "harness/sources/config_cache.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "harness/sources/config_keys.hpp"
#include "harness/sources/config_words.hpp"
#include "harness/sources/layer_kinds.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_tokens = std::uint64_t{1} << 40;
constexpr std::uint64_t most_layers = 4096;

/// A value that switches nothing on.
bool is_off(Json const& value) {
    return value.is_null() || value == false || value == 0 ||
           ((value.is_array() || value.is_object()) && value.empty());
}

class CacheReader {
  public:
    CacheReader(Json const& config, std::string const& what) : keys_(config, what) {}

    ModelCache read() {
        refuse_what_is_not_understood();
        layers_ = keys_.number({"num_hidden_layers", "n_layer", "n_layers"}, most_layers).value_or(0);
        if (layers_ == 0) layers_ = keys_.text("hybrid_override_pattern").size();
        if (layers_ == 0) keys_.needed({"num_hidden_layers", "n_layer", "n_layers"});
        auto const kinds = layer_kinds(keys_, layers_);
        cache_.layers = layers_;
        cache_.max_tokens =
            keys_.number({"max_position_embeddings", "n_positions", "max_seq_len"}, most_tokens).value_or(0);
        for (auto const kind : kinds) {
            using enum LayerKind;
            if (kind == full || kind == full_and_state) cache_.cached.push_back(attention(0));
            if (kind == window) cache_.cached.push_back(attention(keys_.needed({"sliding_window"}, most_tokens)));
            if (kind == chunk) cache_.cached.push_back(attention(keys_.needed({"attention_chunk_size"}, most_tokens)));
            if (kind == state || kind == full_and_state) cache_.states.push_back(layer_state());
        }
        if (auto const* const shared = keys_.find("num_kv_shared_layers"); shared != nullptr && *shared != 0)
            cache_.shared = keys_.needed({"num_kv_shared_layers"});
        note_drafts();
        if (keys_.is_true("attention_k_eq_v"))
            cache_.notes.emplace_back(
                "K and V of full layers come from one projection, but differ by norm and RoPE: engines keep both");
        return std::move(cache_);
    }

  private:
    [[noreturn]] void refuse(std::string const& key, std::string const& why) const {
        throw ConfigError(fmt::format("{}: {}: {}", keys_.what(), key, why));
    }
    bool is_type(std::string_view beginning) const { return keys_.text("model_type").starts_with(beginning); }

    void refuse_what_is_not_understood() const {
        if (keys_.is_true("is_encoder_decoder")) refuse("is_encoder_decoder", "an encoder and a decoder");
        for (auto const& [key, value] : keys_.all().items()) {
            if (!is_off(value) && may_change_cache(key) && !is_understood(key))
                refuse(excerpt(key),
                       "may change the content of the cache, and is not understood here; where it does not, "
                       "leave it out of a copy of the file");
        }
    }

    CachedLayer attention(std::uint64_t limit) const {
        if (keys_.find("kv_lora_rank") != nullptr)
            return {1, keys_.needed({"kv_lora_rank"}) + keys_.needed({"qk_rope_head_dim"}), 0, limit};
        auto const heads = query_heads();
        CachedLayer layer{keys_.kv_heads(heads), 0, 0, limit};
        if (keys_.find("num_key_value_heads") == nullptr && is_type("gemma3")) layer.kv_heads = 4;
        auto const own = keys_.number({"head_dim", "attention_head_dim"});
        layer.k_dim = own                 ? *own
                      : is_type("gemma3") ? 256  // Gemma3TextConfig's, as the KV heads above
                                          : keys_.head_dim(heads);
        if (is_type("gemma4") && limit == 0) {
            layer.k_dim = keys_.needed({"global_head_dim"});
            if (keys_.is_true("attention_k_eq_v"))
                layer.kv_heads = keys_.number({"num_global_key_value_heads"}).value_or(layer.kv_heads);
        } else if (keys_.find("global_head_dim") != nullptr && !is_type("gemma4")) {
            refuse("global_head_dim",
                   fmt::format("not known of the model_type '{}'", excerpt(keys_.text("model_type"))));
        }
        layer.v_dim = keys_.number({"v_head_dim"}).value_or(layer.k_dim);
        return layer;
    }
    std::uint64_t query_heads() const {
        auto const heads = keys_.number({"num_attention_heads", "n_head", "n_heads"});
        if (!heads && is_type("gemma3")) return 8;
        return heads ? *heads : keys_.needed({"num_attention_heads", "n_head", "n_heads"});
    }

    LayerState layer_state() const {
        if (keys_.find("linear_num_value_heads") != nullptr) return gated_delta_net();
        if (keys_.find("linear_attn_config") != nullptr || keys_.find("linear_num_heads") != nullptr)
            return kimi_delta_attention();
        if (keys_.find("mamba_num_heads") != nullptr)
            return mamba_2(keys_.needed({"mamba_num_heads"}), keys_.needed({"mamba_head_dim"}),
                           keys_.needed({"ssm_state_size"}), keys_.needed({"n_groups", "mamba_n_groups"}),
                           keys_.needed({"conv_kernel", "mamba_d_conv"}));
        if (keys_.find("mamba_n_heads") != nullptr) {
            auto const heads = keys_.needed({"mamba_n_heads"});
            auto const inner = keys_.find("mamba_d_ssm") != nullptr
                                   ? keys_.needed({"mamba_d_ssm"})
                                   : keys_.needed({"mamba_expand"}) * keys_.needed({"hidden_size"});
            if (inner % heads != 0) refuse("mamba_n_heads", fmt::format("{} channels in {} heads", inner, heads));
            return mamba_2(heads, inner / heads, keys_.needed({"mamba_d_state"}), keys_.needed({"mamba_n_groups"}),
                           keys_.needed({"mamba_d_conv"}));
        }
        // Mamba: every channel by itself.
        auto const channels = keys_.needed({"mamba_expand"}) * keys_.needed({"hidden_size"});
        return {channels, keys_.needed({"mamba_d_state"}) + keys_.needed({"mamba_d_conv"}) - 1, 0, 0};
    }
    /// "Transformers are SSMs" (Dao and Gu, 2024): x of every head, B and C of every group go through the convolution.
    static LayerState mamba_2(std::uint64_t heads, std::uint64_t head_dim, std::uint64_t state, std::uint64_t groups,
                              std::uint64_t kernel) {
        return {heads, head_dim * (state + kernel - 1), groups, 2 * state * (kernel - 1)};
    }
    /// "Gated Delta Networks" (Yang et al., 2024): value heads share the key heads' queries and keys.
    LayerState gated_delta_net() const {
        auto const key = keys_.needed({"linear_key_head_dim"});
        auto const value = keys_.needed({"linear_value_head_dim"});
        auto const inputs = keys_.needed({"linear_conv_kernel_dim"}) - 1;
        return {keys_.needed({"linear_num_value_heads"}), value * (key + inputs),
                keys_.needed({"linear_num_key_heads"}), 2 * key * inputs};
    }
    /// "Kimi Linear" (Moonshot AI, 2025): queries, keys and values have a convolution each.
    LayerState kimi_delta_attention() const {
        auto const* const own = keys_.find("linear_attn_config");
        ConfigKeys const inner(own != nullptr ? *own : keys_.all(), keys_.what());
        auto const dim = inner.needed({"head_dim", "linear_head_dim"});
        auto const inputs = inner.needed({"short_conv_kernel_size", "linear_conv_kernel_dim"}) - 1;
        return {inner.needed({"num_heads", "linear_num_heads"}), dim * (dim + 3 * inputs), 0, 0};
    }

    void note_drafts() {
        for (auto const* key : {"num_nextn_predict_layers", "num_mtp_layers"})
            if (auto const* const value = keys_.find(key); value != nullptr && *value != 0)
                cache_.notes.push_back(
                    fmt::format("{} of {}: not counted; an engine that drafts with them keeps as many more layers", key,
                                excerpt(value->dump())));
    }

    ConfigKeys keys_;
    std::uint64_t layers_ = 0;
    ModelCache cache_;
};

}  // namespace

ModelCache cache_of_config(Json const& config, std::string const& what) { return CacheReader(config, what).read(); }

ModelCache read_config_cache(std::string const& path) {
    auto cache = cache_of_config(read_text_config(path), path);
    cache.name = cache.source = path;
    return cache;
}

}  // namespace kvstone
