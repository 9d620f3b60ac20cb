#pragma once
// The cache of a model for a sequence: K and V of some layers for every token, of others for the last tokens alone, and
// a state of fixed size of layers without attention.

#include <cstdint>
#include <string>
#include <vector>

namespace kvstone {

/// K and V of one layer. Of latent attention (DeepSeek-V2, 2024, section 2.1) K is the latent and the channels of RoPE beside
/// it, one head of them, and there is no V.
struct CachedLayer {
    std::uint64_t kv_heads = 0;
    std::uint64_t k_dim = 0;        ///< values of a head's K of a token
    std::uint64_t v_dim = 0;        ///< of a head's V; 0: V is made from the latent
    std::uint64_t most_tokens = 0;  ///< a sliding window's, or a chunk's; 0: every token is kept
    bool operator==(CachedLayer const&) const = default;

    std::uint64_t values_a_token() const { return kv_heads * (k_dim + v_dim); }
    std::uint64_t tokens_of(std::uint64_t context) const {
        return most_tokens != 0 && most_tokens < context ? most_tokens : context;
    }
};

/// The state of one layer of linear attention or of a state space model: the recurrent state, and of each convolution before
/// it the last (kernel - 1) inputs, as vLLM and llama.cpp keep them (transformers keeps one more).
struct LayerState {
    std::uint64_t heads = 0;
    std::uint64_t values_a_head = 0;
    std::uint64_t groups = 0;  ///< groups of heads that share keys, or B and C
    std::uint64_t values_a_group = 0;
    bool operator==(LayerState const&) const = default;

    std::uint64_t values() const { return heads * values_a_head + groups * values_a_group; }
};

struct ModelCache {
    std::string name;
    std::string source;            ///< origin of the numbers: a repository, or a file
    std::uint64_t layers = 0;      ///< of the model, whether they keep anything or not
    std::uint64_t shared = 0;      ///< of them: layers that read another layer's K and V
    std::uint64_t max_tokens = 0;  ///< longest text that the model was made for; 0: not known
    std::vector<CachedLayer> cached;
    std::vector<LayerState> states;
    std::vector<std::string> notes;  ///< notes for people who count bytes

    /// Values that a token adds in the layers that keep every token.
    std::uint64_t growth_values() const;
    /// Values of a sequence in the layers that keep its last tokens alone.
    std::uint64_t window_values(std::uint64_t context) const;
    std::uint64_t state_values() const;
};

/// The share of one of `devices` under tensor parallelism: heads are spread, and a head is on several devices where there
/// are fewer heads than devices; so a latent is on all of them. Throws ConfigError where heads do not come out even.
ModelCache share_of(ModelCache cache, std::uint64_t devices);

}  // namespace kvstone
