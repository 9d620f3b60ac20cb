#pragma once
// A model's KV cache as its config.json describes it: the file that Hugging Face's transformers keeps beside the
// weights.

#include <cstdint>
#include <string>
#include <string_view>

#include "codecs/rope.hpp"
#include "scenarios/json.hpp"

namespace kvstone {

struct ModelConfig {
    std::string model_type;
    std::uint64_t layers = 0;
    std::uint64_t heads = 0;  ///< query heads
    std::uint64_t kv_heads = 0;
    std::uint64_t head_dim = 0;
    std::uint64_t latent = 0;     ///< of head_dim, that of latent attention, whose one KV head holds it; 0: none
    std::uint64_t query_dim = 0;  ///< with a latent: channels of a query before K's heads are absorbed into it
    double rope_base = 0;         ///< 0: no RoPE
    Rope rope;                    ///< of K in transformers' caches; where there is one and no problem
    std::string
        rope_problem;  ///< why `rope` is not known although the model has RoPE (a kind of scaling, a model type)
};

/// Numbers of layers, heads and channels by the keys of Llama and its kin, or of GPT-2 and GPT-J; a model with images has
/// them in text_config. RoPE by old keys (rope_theta, rope_scaling, partial_rotary_factor, rotary_pct, rotary_dim) and by
/// new ones (rope_parameters); scaling is `default`, `linear` or `llama3`. Latent attention (kv_lora_rank) as serving
/// engines cache it: one vector of the latent and RoPE's channels. Throws ConfigError, beginning with `what`, where the
/// text is no such file, or a cache of it is not the same of every token in every layer (layers of other kinds).
ModelConfig parse_model_config(std::string_view text, std::string const& what);
/// The same of a file of at most a megabyte.
ModelConfig read_model_config(std::string const& path);

/// to_json(Rope) of a model's config.json. Throws ConfigError where it has no RoPE, or one that is not known here.
Json rope_of_config(std::string const& path);

}  // namespace kvstone
