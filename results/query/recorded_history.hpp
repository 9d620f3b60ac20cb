#pragma once
// What stored attempts tell about measuring the same cells again: how long it takes, and where it was done.

#include <string>

#include "results/record/history.hpp"
#include "results/store/store.hpp"

namespace kvstone {

/// Over all campaigns of the database. A cell's cost is the median wall time of its attempts, failed ones included, where
/// there are any on this hardware class and measured as long as now, else of those that agree in one of the two (the
/// length first), else of all; plus, where timing is on, between_s, a median too.
History recorded_history(Store const& store, Measure const& measure, std::string const& hardware_class);

}  // namespace kvstone
