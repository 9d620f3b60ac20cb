#pragma once

#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/prefix_cache/replay.hpp"

namespace kvstone {

/// 0 of nothing.
double share_of(std::uint64_t part, std::uint64_t whole);

/// Lookups, hits and rates by block, token and request.
void add_hits(FigureWriter& figures, ReplayResult const& replayed);

/// What was written, held and evicted, of entries that take so many bytes.
void add_writes(FigureWriter& figures, ReplayResult const& replayed, std::uint64_t entry_bytes);

}  // namespace kvstone
