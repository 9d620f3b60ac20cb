#pragma once

#include <utility>

#include "harness/cache/block_store.hpp"
#include "harness/workloads/prefix_cache/request_trace.hpp"

namespace kvstone {

struct ReplayResult {
    StoreCounters blocks;             ///< sizes in blocks
    std::uint64_t entries_held = 0;   ///< at the end
    std::uint64_t token_lookups = 0;  ///< tokens of all requests
    std::uint64_t token_hits = 0;     ///< min(tokens of the matched blocks, tokens of the request)
    std::uint64_t requests = 0;
    std::uint64_t request_hits_any = 0;     ///< requests whose first block was there
    std::uint64_t request_hits_all = 0;     ///< requests all of whose tokens were there
    std::vector<std::uint64_t> hit_tokens;  ///< of each request
};

/// Adds up what requests ask for and what of it is there; leaves the counts of blocks to whoever keeps their books.
class ReplayTally {
  public:
    explicit ReplayTally(RequestTrace const& trace) : block_tokens_(trace.block_tokens) {
        result_.hit_tokens.reserve(trace.requests.size());
    }
    /// `matched`: blocks found, from the request's head on.
    void add(TraceRequest const& request, std::uint64_t matched);
    ReplayResult take() { return std::move(result_); }

  private:
    std::uint64_t block_tokens_;
    ReplayResult result_;
};

/// Sends a trace through a store's books, each block of size 1. `layers`: entries that a block has (see with_layers(), which
/// was applied already); a block is a hit where all of its are.
ReplayResult replay(RequestTrace const& trace, StoreRules const& rules, std::uint64_t layers = 1);

}  // namespace kvstone
