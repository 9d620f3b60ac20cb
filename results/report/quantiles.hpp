#pragma once
// Raw samples, reduced to a few figures.

#include <vector>

#include "results/report/row_series.hpp"
#include "results/report/table.hpp"
#include "results/store/store.hpp"

namespace kvstone {

/// Quantiles of the samples of each row's attempts that count, over all its processes: number of samples, then least, 5%,
/// 25%, 50%, 75%, 95% and largest (interpolated).
std::vector<RowSeries> read_quantiles(Store const& store, ReportTable const& table);

}  // namespace kvstone
