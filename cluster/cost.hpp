#pragma once
// Estimates of the cost of items, so that the longest go first.

#include <cstddef>
#include <vector>

#include "cluster/protocol.hpp"
#include "results/record/history.hpp"

namespace kvstone {

/// A guess from the plan alone, in seconds of a worker, for one process of a cell:
///
///   0.3 + 8e-9 B + passes + 1.5 where timing is on (the roofline's probe)
///   passes = max(4 min_time, 2 repetitions B / 1e9) where timing is on, else 2 B / 1e9
///
/// B are the bytes of K and V as f32 over all sequences of the batch: exact for a synthetic source, and the file's size
/// for a dump. A model counts as many bytes per token as an 8-billion model at 8 bits has for its size: its file /
/// 32768. Codec and workload do not enter: stored attempts tell their cost better.
double planned_cost_s(Cell const& cell, Measure const& measure);

/// How many items have an estimate of each kind.
struct EstimateSources {
    std::size_t recorded = 0;  ///< attempts at the same cell
    std::size_t scaled = 0;    ///< the guess, times the median error of guesses over the workload's recorded items
    std::size_t guessed = 0;
};

/// Writes each item's estimated_s and, where its timing should stay on one host, that host.
EstimateSources estimate_costs(std::vector<WorkItem>& items, History const& history);

}  // namespace kvstone
