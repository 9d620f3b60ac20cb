#pragma once
// Tails of a model's answers along the position of the token.

#include <vector>

#include "results/report/row_series.hpp"
#include "results/report/table.hpp"
#include "results/store/store.hpp"

namespace kvstone {

/// kld_mean and the tails along positions, of each row's first process as in v_profile: position (token), value, position,
/// value, ...; empty where the table has no tails, or nothing is stored along positions.
std::vector<RowSeries> read_positions(Store const& store, ReportTable const& table);

}  // namespace kvstone
