#pragma once
// What stored attempts tell about measuring the same cells again: how long it takes, and where it was done.

#include <map>
#include <string>

#include "results/store.hpp"

namespace kvstone {

struct CellHistory {
    double cost_s = 0;  ///< of an attempt, with what a worker does between two
    /// The host of this hardware class that made most of the cell's standing timings, the latest among equals; empty
    /// where there is none.
    std::string host;
};

struct History {
    std::map<std::string, CellHistory> cells;  ///< by cell id
    double between_s = 0;  ///< what passes between two timed attempts on a host (probes, storing); 0: not known
    double spread = 0;     ///< standard deviation of the logarithm of a cell's cost over its attempts; 0: not known
};

/// Over all campaigns of the database. A cell's cost is the median wall time of its attempts, failed ones included, where
/// there are any on this hardware class and measured as long as now, else of those that agree in one of the two (the
/// length first), else of all; plus, where timing is on, between_s, a median too.
History recorded_history(Store const& store, Measure const& measure, std::string const& hardware_class);

}  // namespace kvstone
