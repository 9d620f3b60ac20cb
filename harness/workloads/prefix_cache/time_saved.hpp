#pragma once

#include "harness/workloads/prefix_cache/entry_cost.hpp"
#include "harness/workloads/prefix_cache/replay.hpp"

namespace kvstone {

/// The assumed costs of computing and loading. Of these the cell measures only encoding and decoding.
struct ServingModel {
    double prefill_us_per_token = 0;          ///< a of T(n) = a n + b n^2
    double prefill_ns_per_token_squared = 0;  ///< b
    double link_bytes_per_s = 0;              ///< to the cache
    double lookup_us = 0;                     ///< of each hit
    bool overlapped = false;                  ///< coding and the link work at the same time

    double prefill_s(double tokens) const {
        return 1e-6 * prefill_us_per_token * tokens + 1e-9 * prefill_ns_per_token_squared * tokens * tokens;
    }
};

struct TimeSaved {
    double percent = 0;              ///< 100 x (1 - time with the cache / prefill of everything)
    std::uint64_t refused_hits = 0;  ///< requests whose hit would take longer to load than to compute
};

/// A hit of k tokens, at most all but the last, which has to be computed, saves T(k) - load(k). load(k) = lookup + k x
/// stored bytes per token / link + k x decoding per token, or the larger of the last two where they overlap. A written
/// block costs its encoding and its way over the link in the same manner. REQUIRES: `cost` has times; the trace has
/// tokens.
TimeSaved time_saved(RequestTrace const& trace, ReplayResult const& replayed, EntryCost const& cost,
                     ServingModel const& model);

}  // namespace kvstone
