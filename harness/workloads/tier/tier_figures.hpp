#pragma once

#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/tier/break_even.hpp"
#include "harness/workloads/tier/live_tiers.hpp"
#include "harness/workloads/tier/tier_replay.hpp"
#include "harness/workloads/tier/transfer.hpp"

namespace kvstone {

/// Figures of the accounts: hits of both tiers and moves between them. `entry_bytes_cold`: of an entry on disk.
void add_tier_counts(FigureWriter& figures, TierReplayResult const& replayed, std::uint64_t entry_bytes_cold);

/// Further figures of live tiers.
void add_live_figures(FigureWriter& figures, LiveTotals const& totals, SegmentCounters const& disk, bool timed);

void add_transfer_figures(FigureWriter& figures, TransferTimes const& times);
void add_samples(TransferTimes const& times, Measurement& measurement);

/// The break-even link, computed and measured; the fetches as a profile along the link's MB/s.
void add_break_even_figures(FigureWriter& figures, FetchTimes const& fetches, std::uint64_t raw_bytes,
                            std::uint64_t stored_bytes, Measurement& measurement);

}  // namespace kvstone
