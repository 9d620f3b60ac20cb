#pragma once

#include "harness/cache/block_store.hpp"
#include "harness/workloads/prefix_cache/request_trace.hpp"

namespace kvstone {

struct ReplayResult {
    StoreCounters blocks;             ///< sizes in blocks
    std::uint64_t entries_held = 0;   ///< at the end
    std::uint64_t token_lookups = 0;  ///< tokens of all requests
    std::uint64_t token_hits = 0;     ///< min(tokens of the matched blocks, tokens of the request)
    std::uint64_t requests = 0;
    std::uint64_t request_hits_any = 0;     ///< requests whose first block was found
    std::uint64_t request_hits_all = 0;     ///< requests whose tokens were all found
    std::vector<std::uint64_t> hit_tokens;  ///< of each request
    bool operator==(ReplayResult const&) const = default;
};

/// min(tokens of this many blocks, tokens of the request).
std::uint64_t found_tokens(RequestTrace const& trace, TraceRequest const& request, std::uint64_t found_blocks);
/// The sums over requests. REQUIRES: as many hit_tokens as requests.
ReplayResult replay_result(RequestTrace const& trace, std::vector<std::uint64_t> hit_tokens,
                           StoreCounters const& blocks, std::uint64_t entries_held);

/// Sends a trace through the accounts of a store, each block of size 1. `layers`: entries per block (see with_layers(),
/// which the caller has applied); a block is a hit where all its entries are.
ReplayResult replay(RequestTrace const& trace, StoreRules const& rules, std::uint64_t layers = 1);

}  // namespace kvstone
