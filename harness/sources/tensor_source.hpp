#pragma once
// The origin of K and V: a synthetic shape, a dump, or a model's own cache.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "backends/host_tensor.hpp"
#include "codecs/rope.hpp"
#include "harness/sources/query_sample.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {

struct KvTensors {
    std::optional<HostTensor> k;  ///< after RoPE
    std::optional<HostTensor> v;
    std::optional<HostTensor> k_prerope;
    std::optional<HostTensor> q;             ///< its heads are the query heads, its tokens the requested queries
    std::vector<std::uint64_t> q_positions;  ///< token of each query of a sample; empty: every token has a query
    std::optional<Rope> rope;
    /// How many of K's last channels are a latent, from which K and V of all heads are made (latent attention); there
    /// is then no V. 0: none.
    std::uint64_t latent = 0;
    std::uint64_t query_dim = 0;  ///< logits are divided by its square root; 0: as many as Q has channels
    Json metadata;                ///< model, text, settings: the source's description of itself
};

/// The tensors to load; others cost neither time nor memory.
struct Needs {
    bool k = true;
    bool v = true;
    bool k_prerope = false;
    bool q = false;
    QuerySample q_sample = {};  ///< the queries of Q to load
};

}  // namespace kvstone
