#pragma once
// What stored attempts tell about measuring the same cells again, for whoever plans to.

#include <map>
#include <string>

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

}  // namespace kvstone
