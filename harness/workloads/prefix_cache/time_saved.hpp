#pragma once

#include "harness/workloads/prefix_cache/entry_cost.hpp"
#include "harness/workloads/prefix_cache/replay.hpp"

namespace kvstone {

/// What computing and loading are said to cost. The cell measures nothing of it but encoding and decoding.
struct ServingModel {
    double prefill_us_per_token = 0;          ///< a of T(n) = a n + b n^2
    double prefill_ns_per_token_squared = 0;  ///< b
    double link_bytes_per_s = 0;              ///< to where the cache lies
    double lookup_us = 0;                     ///< of each hit
    bool overlapped = false;                  ///< coding hides behind the link, or the link behind coding

    double prefill_s(double tokens) const {
        return 1e-6 * prefill_us_per_token * tokens + 1e-9 * prefill_ns_per_token_squared * tokens * tokens;
    }
};

struct TimeSaved {
    double percent = 0;              ///< 100 x (1 - time with the cache / prefill of everything)
    std::uint64_t refused_hits = 0;  ///< requests whose hit would take longer to load than to compute
};

/// A hit of k tokens, at most all but the last, which has to be computed, saves T(k) - load(k); load(k) = lookup + k x stored
/// bytes a token / link + k x decoding a token, or the larger of the last two where they overlap. A block that is written
/// costs its encoding and its way over the link likewise. REQUIRES: `cost` has times; the trace asks for tokens.
TimeSaved time_saved(RequestTrace const& trace, ReplayResult const& replayed, EntryCost const& cost,
                     ServingModel const& model);

}  // namespace kvstone
