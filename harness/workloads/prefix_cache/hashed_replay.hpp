#pragma once

#include "harness/cache/block_key.hpp"
#include "harness/workloads/prefix_cache/replay.hpp"

namespace kvstone {

struct HashedReplay {
    ReplayResult replayed;
    double all_s = 0;      ///< wall time
    double hashing_s = 0;  ///< summed over all clients
};

/// Replays a trace through the accounts of a store that is looked up by hashes of tokens (see BlockTokens): clients
/// hash their requests' blocks in parallel, and look them up in turn. Its counts are those of replay().
HashedReplay replay_hashed(RequestTrace const& trace, StoreRules const& rules, std::uint64_t layers,
                           std::uint64_t clients, BlockKey const& root);

}  // namespace kvstone
