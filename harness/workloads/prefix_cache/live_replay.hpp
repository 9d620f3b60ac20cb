#pragma once
// Mode `live`: a trace through a store of real tensors, coded by the codec.

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

/// Seconds, summed over clients and requests.
struct LiveTimes {
    double hashing = 0;
    double looking_up = 0;  ///< including the wait for the turn
    double loading = 0;     ///< waiting for bytes, checking their sum, decoding, passing them to the model
    double computing = 0;   ///< blocks that were not found; 0 where nothing is computed
    double storing = 0;     ///< encoding and sealing written blocks
    double all = 0;         ///< wall time while clients were at work, without drawing and verifying
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
    std::uint64_t entries_verified = 0;  ///< entries that were read back with the values that were written
    std::uint64_t entries_differing = 0;
    ErrorSums errors;  ///< of all written entries against the tensors that they were encoded from
    LiveTimes times;
};

/// Bytes of memory for a replay: the entries that the store may hold, the tensors of the requests under way, and the
/// memory of the source and of each client.
std::uint64_t live_memory_bytes(RequestTrace const& trace, LiveRules const& rules, EntryCost const& cost,
                                BlockSource const& source);

/// Requests come in windows of at least one request, with at most `window_bytes` of K and V in different blocks. Within
/// a window, clients hash, look up, load the found blocks, compute the others, encode and store them. Afterwards,
/// untimed, every written entry is decoded and compared with the tensor it was encoded from, and every found entry has
/// to decode to the same values as before. Throws CorruptData where a container differs from the stored one.
LiveResult replay_live(RequestTrace const& trace, LiveRules const& rules, Codec const& codec, BlockKey const& root,
                       BlockSource& source);

/// The cost, with the times of coding a block from a replay.
EntryCost measured_cost(EntryCost cost, LiveTimes const& times);

inline constexpr std::uint64_t window_bytes = std::uint64_t{512} << 20U;

}  // namespace kvstone
