#pragma once
// Raw samples, reduced to a few figures.

#include <string>
#include <vector>

#include "results/report/table.hpp"
#include "results/store/store.hpp"

namespace kvstone {

/// Quantiles of one metric and component.
struct QuantileColumn {
    std::string metric;
    std::string component;
    /// For each row: number of samples, then least, 5%, 25%, 50%, 75%, 95% and largest (interpolated); empty: no
    /// samples.
    std::vector<std::vector<double>> rows;
};

/// Quantiles of the samples of each row's attempts that count, over all its processes.
std::vector<QuantileColumn> read_quantiles(Store const& store, ReportTable const& table);

}  // namespace kvstone
