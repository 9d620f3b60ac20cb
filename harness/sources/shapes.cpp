#include "harness/sources/shapes.hpp"

#include "harness/sources/model_config.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

Json facts_of(ModelShape const& shape) {
    Json facts{{"layers", shape.layers},
               {"heads", shape.heads},
               {"kv_heads", shape.kv_heads},
               {"head_dim", shape.head_dim},
               {"rope_base", shape.rope_base}};
    if (shape.latent != 0) facts.update({{"latent", shape.latent}, {"query_dim", shape.query_dim}});
    return facts;
}

}  // namespace

std::vector<ModelShape> const& model_shapes() {
    // From each model's published configuration: num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim,
    // rope_theta. Scaling of frequencies for long contexts (llama3, yarn, longrope) is left out: it is no matter of
    // shape.
    static std::vector<ModelShape> const shapes{
        {"tiny", 4, 4, 2, 64, 1e4},  // the model that ships with KVstone
        {"distilgpt2", 6, 12, 12, 64, 0},
        {"gpt2", 12, 12, 12, 64, 0},
        {"gpt2-medium", 24, 16, 16, 64, 0},
        {"gpt2-large", 36, 20, 20, 64, 0},
        {"gpt2-xl", 48, 25, 25, 64, 0},
        {"tinyllama-1.1b", 22, 32, 4, 64, 1e4},
        {"llama-65b", 80, 64, 64, 128, 1e4},
        {"llama-2-7b", 32, 32, 32, 128, 1e4},
        {"llama-2-13b", 40, 40, 40, 128, 1e4},
        {"llama-2-70b", 80, 64, 8, 128, 1e4},
        {"llama-3-8b", 32, 32, 8, 128, 5e5},
        {"llama-3-70b", 80, 64, 8, 128, 5e5},
        {"llama-3.1-8b", 32, 32, 8, 128, 5e5},
        {"llama-3.1-70b", 80, 64, 8, 128, 5e5},
        {"llama-3.1-405b", 126, 128, 8, 128, 5e5},
        {"llama-3.2-1b", 16, 32, 8, 64, 5e5},
        {"llama-3.2-3b", 28, 24, 8, 128, 5e5},
        {"llama-3.3-70b", 80, 64, 8, 128, 5e5},
        {"mistral-7b", 32, 32, 8, 128, 1e4},  // v0.1; later versions have a RoPE base of 1e6
        {"mixtral-8x7b", 32, 32, 8, 128, 1e6},
        {"qwen2.5-0.5b", 24, 14, 2, 64, 1e6},
        {"qwen2.5-1.5b", 28, 12, 2, 128, 1e6},
        {"qwen2.5-3b", 36, 16, 2, 128, 1e6},
        {"qwen2.5-7b", 28, 28, 4, 128, 1e6},
        {"qwen2.5-14b", 48, 40, 8, 128, 1e6},
        {"qwen2.5-32b", 64, 40, 8, 128, 1e6},
        {"qwen2.5-72b", 80, 64, 8, 128, 1e6},
        {"qwen3-0.6b", 28, 16, 8, 128, 1e6},
        {"qwen3-1.7b", 28, 16, 8, 128, 1e6},
        {"qwen3-4b", 36, 32, 8, 128, 1e6},
        {"qwen3-8b", 36, 32, 8, 128, 1e6},
        {"qwen3-14b", 40, 40, 8, 128, 1e6},
        {"qwen3-32b", 64, 64, 8, 128, 1e6},
        {"qwen3-30b-a3b", 48, 32, 4, 128, 1e6},
        {"gemma-2-2b", 26, 8, 4, 256, 1e4},
        {"gemma-2-9b", 42, 16, 8, 256, 1e4},
        {"gemma-2-27b", 46, 32, 16, 128, 1e4},
        {"smollm2-135m", 30, 9, 3, 64, 1e5},
        {"smollm2-360m", 32, 15, 5, 64, 1e5},
        {"smollm2-1.7b", 24, 32, 32, 64, 1.3e5},
        {"phi-3-mini", 32, 32, 32, 96, 1e4},
        {"phi-3-medium", 40, 40, 10, 128, 1e4},
        {"phi-4", 40, 40, 10, 128, 2.5e5},
        // Latent attention: kv_lora_rank, and qk_rope_head_dim of RoPE beside it, both once a token; queries of
        // qk_nope_head_dim + qk_rope_head_dim.
        {"deepseek-v2-lite", 27, 16, 1, 512 + 64, 1e4, 512, 128 + 64},
        {"deepseek-v2", 60, 128, 1, 512 + 64, 1e4, 512, 128 + 64},
        {"deepseek-v3", 61, 128, 1, 512 + 64, 1e4, 512, 128 + 64},
    };
    return shapes;
}

Json shape_facts(std::string const& name) {
    if (name.ends_with(".json")) {
        auto const config = read_model_config(name);
        return facts_of({{},
                         config.layers,
                         config.heads,
                         config.kv_heads,
                         config.head_dim,
                         config.rope_base,
                         config.latent,
                         config.query_dim});
    }
    std::vector<std::string> names;
    for (auto const& shape : model_shapes()) {
        if (shape.name == name) return facts_of(shape);
        names.push_back(shape.name);
    }
    throw ConfigError("unknown shape", name, names);
}

}  // namespace kvstone
