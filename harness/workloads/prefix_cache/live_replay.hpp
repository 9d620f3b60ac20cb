#pragma once
// Mode `live`: a trace through a store that holds what the codec makes of real tensors.

#include <optional>

#include "harness/cache/shared_store.hpp"
#include "harness/quality/distortion.hpp"
#include "harness/workloads/prefix_cache/block_source.hpp"
#include "harness/workloads/prefix_cache/entry_cost.hpp"
#include "harness/workloads/prefix_cache/replay.hpp"

namespace kvstone {

struct LiveRules {
    StoreRules store;
    std::uint64_t threads = 1;  ///< clients
    bool by_layer = false;
    bool timed = false;
};

/// Seconds, added up over clients and requests.
struct LiveTimes {
    double hashing = 0;
    double looking_up = 0;  ///< waiting for the turn included
    double loading = 0;     ///< waiting for bytes, checking their sum, decoding, handing over to the model
    double computing = 0;   ///< what was not found; 0 where nothing is computed
    double storing = 0;     ///< encoding and sealing what is written
    double all = 0;         ///< by the clock, while clients were at work; what is drawn or verified is left out
    double without = 0;     ///< to compute every request from its first token on; 0 where nothing is computed
    std::uint64_t loaded_blocks = 0;
    std::uint64_t encoded_blocks = 0;
    LiveTimes& operator+=(LiveTimes const& other);
};

struct LiveResult {
    ReplayResult replayed;
    std::uint64_t written_bytes = 0;
    std::uint64_t held_bytes = 0;
    std::uint64_t evicted_bytes = 0;
    std::uint64_t expired_bytes = 0;
    std::uint64_t entries_verified = 0;  ///< that were read back, and had the values that were written
    std::uint64_t entries_differing = 0;
    ErrorSums errors;  ///< of everything that was written against what it was encoded from
    LiveTimes times;
};

/// Bytes that a replay needs: the entries that the store may hold, the tensors of the requests that are under way, and what
/// the source and each client have.
std::uint64_t live_memory_bytes(RequestTrace const& trace, LiveRules const& rules, EntryCost const& cost,
                                BlockSource const& source);

/// Requests come in windows, whose different blocks have `window_bytes` of K and V at the most, one request at least. Within one,
/// clients hash, look up, load what is found, compute what is not, encode and store it. Afterwards, by no clock, every
/// entry that was written is decoded and held against the tensor it was encoded from, and every entry that was found has
/// to decode to the same as then. Throws CorruptData where a container is not what was stored.
LiveResult replay_live(RequestTrace const& trace, LiveRules const& rules, Codec const& codec, BlockKey const& root,
                       BlockSource& source);

/// The cost with what coding a block took in a replay.
EntryCost measured_cost(EntryCost cost, LiveTimes const& times);

inline constexpr std::uint64_t window_bytes = std::uint64_t{512} << 20U;

}  // namespace kvstone
