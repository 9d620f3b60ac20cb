#pragma once
// The KV caches of well-known models.

#include <cstdint>
#include <string>
#include <vector>

#include "scenarios/cell.hpp"

namespace kvstone {

struct ModelShape {
    std::string name;
    std::uint64_t layers = 0;
    std::uint64_t heads = 0;  ///< query heads
    std::uint64_t kv_heads = 0;
    std::uint64_t head_dim = 0;
    double rope_base = 0;         ///< 0: learned positions, no RoPE
    std::uint64_t latent = 0;     ///< channels of the KV head that are a latent (see KvTensors); 0: none
    std::uint64_t query_dim = 0;  ///< with a latent: channels of a query before K's heads are absorbed into it
};

/// In the order of lists.
std::vector<ModelShape> const& model_shapes();

/// {"layers", "heads", "kv_heads", "head_dim", "rope_base", ["latent", "query_dim"]} of a shape by name, or of a model's
/// config.json, whose path ends with ".json" (model_config.hpp). Throws ConfigError where there is none.
Json shape_facts(std::string const& name);

}  // namespace kvstone
