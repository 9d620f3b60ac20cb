#pragma once

#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/prefix_cache/replay.hpp"

namespace kvstone {

/// The share; 0 where the whole is 0.
double share_of(std::uint64_t part, std::uint64_t whole);

/// Lookups, hits and rates by block, token and request.
void add_hits(FigureWriter& figures, ReplayResult const& replayed);

}  // namespace kvstone
