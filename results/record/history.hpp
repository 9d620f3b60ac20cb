#pragma once
// Facts from stored attempts for planning to measure the same cells again.

#include <map>
#include <string>

namespace kvstone {

struct CellHistory {
    double cost_s = 0;  ///< of an attempt, with a worker's time between two attempts
    /// The host of this hardware class with most of the cell's standing timings, the latest among equals; empty where
    /// there is none.
    std::string host;
};

struct History {
    std::map<std::string, CellHistory> cells;  ///< by cell id
    double between_s = 0;  ///< time between two timed attempts on a host (probes, storing); 0: not known
    double spread = 0;     ///< standard deviation of the logarithm of a cell's cost over its attempts; 0: not known
};

}  // namespace kvstone
