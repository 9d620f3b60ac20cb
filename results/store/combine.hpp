#pragma once
// Figures over several processes of one cell.

#include <cstdint>
#include <optional>
#include <span>

#include <sqlite3.h>

namespace kvstone {

/// Median with its interval (see median_interval_of_sorted()). The values must be sorted; throws nothing.
struct MedianInterval {
    double median = 0;
    std::optional<double> low;
    std::optional<double> high;
};
MedianInterval median_over_processes(std::span<double const> sorted);

/// Writes `combined` anew for one cell of a campaign: medians over the attempts that count, where every process has one
/// and all are ok; else nothing. The caller holds the transaction.
void combine_processes(sqlite3* connection, std::int64_t campaign, std::int64_t cell);

}  // namespace kvstone
