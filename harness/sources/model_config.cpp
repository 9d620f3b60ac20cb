#include "harness/sources/model_config.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <fmt/format.h>

#include "harness/sources/config_keys.hpp"
#include "harness/sources/rope.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr double usual_base = 10000;

// How transformers' modeling files pair channels: rotate_half, or rotate_every_two. Of latent attention as serving engines
// cache it; transformers sorts the channels of DeepSeek-V3 before it turns them.
constexpr std::string_view half_split[] = {"llama",      "mistral",  "mixtral",   "qwen2",  "qwen2_moe",  "qwen3",
                                           "qwen3_moe",  "gemma",    "gemma2",    "phi",    "phi3",       "phimoe",
                                           "stablelm",   "olmo",     "olmo2",     "olmoe",  "starcoder2", "granite",
                                           "granitemoe", "gpt_neox", "persimmon", "smollm3"};
constexpr std::string_view interleaved[] = {"gptj", "codegen", "cohere", "glm", "glm4", "deepseek_v2", "deepseek_v3"};
constexpr std::string_view without_rope[] = {"gpt2", "gpt_bigcode", "gpt_neo", "opt", "bloom", "mpt"};
// RoPE's base where the file does not say it.
constexpr std::string_view with_usual_base[] = {"llama", "mistral", "gpt_neox", "gptj", "codegen", "phi", "qwen2"};

template <class Names>
bool is_among(Names const& names, std::string_view name) {
    return std::ranges::find(names, name) != std::end(names);
}

class Reader {
  public:
    Reader(Json const& config, std::string const& what) : keys_(config, what), what_(what) {}

    ModelConfig read() {
        result_.model_type = keys_.text("model_type");
        refuse_other_caches();
        result_.layers = keys_.number({"num_hidden_layers", "n_layer"}).value_or(0);
        result_.heads = keys_.number({"num_attention_heads", "n_head"}).value_or(0);
        if (result_.layers == 0 || result_.heads == 0)
            throw ConfigError(what_ + ": no number of layers or attention heads", {},
                              {"num_hidden_layers and num_attention_heads", "n_layer and n_head"});
        if (auto const latent = keys_.number({"kv_lora_rank"})) {
            read_latent(*latent);
        } else {
            result_.kv_heads = keys_.kv_heads(result_.heads);
            result_.head_dim = keys_.head_dim(result_.heads);
        }
        read_rope();
        return result_;
    }

  private:
    void refuse_other_caches() const {
        auto const refuse = [&](char const* key, char const* why) {
            throw ConfigError(fmt::format("{}: {}: no K and V of every token in every layer", what_, why), key);
        };
        if (keys_.is_true("is_encoder_decoder")) refuse("is_encoder_decoder", "encoder and decoder");
        for (auto const* key :
             {"attn_layer_period", "hybrid_override_pattern", "num_kv_shared_layers", "cross_attention_layers",
              "ssm_cfg", "mamba_d_state", "linear_num_key_heads", "linear_attn_config"})
            if (auto const* value = keys_.find(key); value != nullptr && *value != 0)
                refuse(key, "layers of other kinds");
        if (auto const* types = keys_.find("layer_types"); types != nullptr && types->is_array())
            for (auto const& type : *types)
                if (type != "full_attention" && type != "sliding_attention")
                    refuse("layer_types", "layers of other kinds");
    }

    void read_latent(std::uint64_t latent) {
        auto const rotated = keys_.number({"qk_rope_head_dim"});
        auto const others = keys_.number({"qk_nope_head_dim"});
        if (!rotated || !others)
            throw ConfigError(what_ + ": latent attention without a number of channels that queries have",
                              "kv_lora_rank", {"qk_rope_head_dim and qk_nope_head_dim"});
        result_.latent = latent;
        result_.kv_heads = 1;
        result_.head_dim = latent + *rotated;
        result_.query_dim = *others + *rotated;
    }

    void read_rope() {
        if (is_among(without_rope, result_.model_type) || keys_.is_true("alibi")) return;
        auto parameters = Json::object();
        for (auto const* key : {"rope_parameters", "rope_scaling"})
            if (auto const* value = keys_.find(key)) {
                if (!value->is_object()) throw ConfigError(fmt::format("{}: {} is no map", what_, key));
                parameters = *value;
                break;
            }
        // By kind of layer, where models have several.
        if (!parameters.empty() && std::ranges::all_of(parameters, [](auto const& one) { return one.is_object(); })) {
            auto const first = *parameters.begin();
            if (std::ranges::any_of(parameters, [&](auto const& one) { return one != first; }))
                problem("RoPE differs between layers");
            parameters = first;
        }
        auto base = keys_.real(parameters, "rope_theta");
        for (auto const* key : {"rope_theta", "rotary_emb_base"})
            if (!base) base = keys_.real(keys_.all(), key);
        if (!base && is_among(with_usual_base, result_.model_type)) base = usual_base;
        if (!base) {
            problem(fmt::format("no rope_theta, and none that is usual for the model_type '{}'",
                                excerpt(result_.model_type)));
            result_.rope_base = usual_base;
            return;
        }
        if (*base < 1) throw ConfigError(fmt::format("{}: rope_theta is {}, which is below 1", what_, *base));
        result_.rope_base = result_.rope.base = *base;
        result_.rope.interleaved = is_among(interleaved, result_.model_type);
        if (!result_.rope.interleaved && !is_among(half_split, result_.model_type))
            problem(
                fmt::format("how the model_type '{}' pairs channels is not known here", excerpt(result_.model_type)));
        if (keys_.find("rope_local_base_freq") != nullptr) problem("RoPE differs between layers");
        for (auto const* key : {"no_rope_layers", "no_rope_layer_interval"})
            if (keys_.find(key) != nullptr) problem("layers without RoPE");
        read_dims(parameters);
        read_scaling(parameters);
    }
    void read_dims(Json const& parameters) {
        auto& dims = result_.rope.dims;
        dims = result_.head_dim - result_.latent;
        auto share = keys_.real(parameters, "partial_rotary_factor");
        for (auto const* key : {"partial_rotary_factor", "rotary_pct"})
            if (!share) share = keys_.real(keys_.all(), key);
        if (share) dims = static_cast<std::uint64_t>(std::min(*share, 2.0) * static_cast<double>(dims));
        if (auto const own = keys_.number({"rotary_dim"})) dims = *own;
        if (dims % 2 != 0 || dims == 0 || dims > result_.head_dim)
            throw ConfigError(
                fmt::format("{}: RoPE over {} of {} channels is no number of pairs", what_, dims, result_.head_dim));
    }
    void read_scaling(Json const& parameters) {
        std::string kind = "default";
        for (auto const* key : {"type", "rope_type"})
            if (parameters.contains(key)) {
                if (!parameters[key].is_string()) throw ConfigError(fmt::format("{}: {} is no text", what_, key));
                kind = parameters[key].get<std::string>();
            }
        if (kind == "default" || kind == "linear" || kind == "llama3") {
            std::vector<std::string> known{"type", "rope_type", "rope_theta", "partial_rotary_factor"};
            if (kind != "default") known.emplace_back("factor");
            if (kind == "llama3")
                known.insert(known.end(), {"low_freq_factor", "high_freq_factor", "original_max_position_embeddings"});
            for (auto const& [key, value] : parameters.items())
                if (!is_among(known, key)) problem(fmt::format("'{}' of {} RoPE", excerpt(key), kind));
        } else {
            problem(fmt::format("RoPE scaled by '{}', which depends on the length of the text or alters sizes, too",
                                excerpt(kind)));
            return;
        }
        if (kind == "linear") result_.rope.scale = 1 / needed(parameters, "factor");
        if (kind == "llama3") scale_by_wavelength(parameters);
    }
    double needed(Json const& parameters, char const* key) const {
        auto const value = keys_.real(parameters, key);
        if (!value) throw ConfigError(fmt::format("{}: RoPE's scaling has no {}", what_, key));
        return *value;
    }
    /// Llama 3.1 ("The Llama 3 Herd of Models", and transformers' rope type llama3): pairs that turn less than
    /// low_freq_factor times within the original context turn `factor` times slower, those that turn more than
    /// high_freq_factor times as before, and between them the inverse of the divisor goes over evenly.
    void scale_by_wavelength(Json const& parameters) {
        auto const factor = needed(parameters, "factor");
        auto const low = needed(parameters, "low_freq_factor");
        auto const high = needed(parameters, "high_freq_factor");
        auto const context = needed(parameters, "original_max_position_embeddings");
        if (!(high > low)) throw ConfigError(what_ + ": high_freq_factor is not above low_freq_factor");
        for (auto const frequency : rope_frequencies(result_.rope)) {
            auto const turns = context * frequency / (2 * std::numbers::pi);
            auto const unscaled = std::clamp((turns - low) / (high - low), 0.0, 1.0);
            result_.rope.frequency_factors.push_back(1 / ((1 - unscaled) / factor + unscaled));
        }
    }
    void problem(std::string why) {
        if (result_.rope_problem.empty()) result_.rope_problem = std::move(why);
    }

    ConfigKeys keys_;
    std::string const& what_;
    ModelConfig result_;
};

}  // namespace

ModelConfig parse_model_config(std::string_view text, std::string const& what) {
    return Reader(text_config_of(text, what), what).read();
}

ModelConfig read_model_config(std::string const& path) { return Reader(read_text_config(path), path).read(); }

Json rope_of_config(std::string const& path) {
    auto const config = read_model_config(path);
    if (config.rope_base == 0) throw ConfigError(path + ": a model without RoPE", config.model_type);
    if (!config.rope_problem.empty()) throw ConfigError(path + ": RoPE that is not understood: " + config.rope_problem);
    return to_json(config.rope);
}

}  // namespace kvstone
