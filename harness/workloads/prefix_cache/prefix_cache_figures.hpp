#pragma once

#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/prefix_cache/entry_cost.hpp"
#include "harness/workloads/prefix_cache/hashed_replay.hpp"
#include "harness/workloads/prefix_cache/live_replay.hpp"
#include "harness/workloads/prefix_cache/prefill_fit.hpp"
#include "harness/workloads/prefix_cache/time_saved.hpp"

namespace kvstone {

/// Bytes of entries by their fate.
struct EntryBytes {
    std::uint64_t written = 0;
    std::uint64_t held = 0;
    std::uint64_t evicted = 0;
    std::uint64_t expired = 0;
};
/// Where every entry has the same size.
EntryBytes entry_bytes(ReplayResult const& replayed, std::uint64_t bytes_of_entry);

/// Adds the capacity (never_again: unbounded), and the size of an entry.
void add_sizes(FigureWriter& figures, EntryCost const& cost, std::uint64_t capacity);
/// Adds counts of blocks, tokens and requests, and bytes of written entries.
void add_counts(FigureWriter& figures, RequestTrace const& trace, ReplayResult const& replayed, EntryBytes const& bytes,
                EntryCost const& cost);
void add_time_saved(FigureWriter& figures, TimeSaved const& saved);
/// Adds times of coding one block. REQUIRES: `cost` has times.
void add_coding_times(FigureWriter& figures, EntryCost const& cost);
/// `books_s`: time of a replay with known keys.
void add_rates(FigureWriter& figures, RequestTrace const& trace, double books_s, HashedReplay const& hashed);
void add_live(FigureWriter& figures, RequestTrace const& trace, LiveResult const& live, EntryCost const& cost);

}  // namespace kvstone
