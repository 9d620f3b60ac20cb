#pragma once
// Where K and V come from: a synthetic shape, a dump, or a model's own cache.

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
    std::optional<HostTensor> q;             ///< its heads are the query heads, its tokens the queries asked for
    std::vector<std::uint64_t> q_positions;  ///< token of each query of a sample; empty: every token has one
    std::optional<Rope> rope;
    /// Of K's channels the last ones: a latent that K and V of all heads are made of (latent attention); there is no V
    /// then. 0: none.
    std::uint64_t latent = 0;
    std::uint64_t query_dim = 0;  ///< logits are divided by its square root; 0: as many as Q has channels
    Json metadata;                ///< model, text, settings: whatever the source says of itself
};

/// Which tensors to bring; the others cost neither time nor memory.
struct Needs {
    bool k = true;
    bool v = true;
    bool k_prerope = false;
    bool q = false;
    QuerySample q_sample = {};  ///< of Q, these queries alone
};

}  // namespace kvstone
