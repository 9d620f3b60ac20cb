#pragma once
// What items are likely to cost, so that the longest go first.

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
/// B are the bytes of K and V as f32 over all sequences of the batch: exact for a synthetic source, a dump's file, and
/// for a model as many per token as an 8-billion model at 8 bits has for its size: its file / 32768. What the codec and
/// the workload are does not enter: stored attempts tell that better.
double planned_cost_s(Cell const& cell, Measure const& measure);

/// Of how many items each kind of estimate was made.
struct EstimateSources {
    std::size_t recorded = 0;  ///< attempts at the same cell
    std::size_t scaled = 0;    ///< the guess, times how far it was off for the workload's recorded items (the median)
    std::size_t guessed = 0;
};

/// Writes each item's estimated_s and, where its timing is to be pinned, its host.
EstimateSources estimate_costs(std::vector<WorkItem>& items, History const& history);

}  // namespace kvstone
