#pragma once
// Facts from stored attempts for measuring the same cells again: their cost, and the host that measured them.

#include <string>

#include "results/record/history.hpp"
#include "results/store/store.hpp"

namespace kvstone {

/// Over all campaigns of the database. A cell's cost is the median wall time of its attempts, failed ones included:
/// attempts on this hardware class that were measured as long as now, else those that agree in one of the two (the
/// length first), else all. Where timing is on, between_s, a median too, is added.
History recorded_history(Store const& store, Measure const& measure, std::string const& hardware_class);

}  // namespace kvstone
