#pragma once
// The value of a budget of bytes: entries of a prefix cache, and hits on a trace of requests.

#include <cstdint>
#include <optional>

#include "harness/workloads/prefix_cache/request_trace.hpp"

namespace kvstone {

/// Hits of an LRU cache with a number of entries.
struct TraceHits {
    std::uint64_t block_hits = 0;
    std::uint64_t token_hits = 0;
};

struct Bought {
    std::uint64_t block_bytes = 0;  ///< of an entry: a block of tokens, K and V of all layers
    std::uint64_t entries = 0;      ///< budget / block_bytes, rounded down
    std::uint64_t sequences = 0;    ///< of the context asked for, each by itself
    std::optional<TraceHits> hits;  ///< where there is a trace
};

/// The budget, the trace, and the figures without a codec.
struct Budget {
    std::uint64_t bytes = 0;
    std::uint64_t block_tokens = 512;
    std::optional<RequestTrace> trace;
    std::uint64_t block_lookups = 0;
    std::uint64_t token_lookups = 0;
    TraceHits unbounded = {};  ///< of a cache that holds everything
    Bought fp16 = {};
};

/// Reads the trace, where one is named: its blocks are the entries; otherwise each has 512 tokens. Throws ConfigError
/// where it cannot be read.
Budget read_budget(std::uint64_t bytes, std::string const& trace);
Bought buy(Budget const& budget, std::uint64_t block_bytes, std::uint64_t sequence_bytes);

}  // namespace kvstone
