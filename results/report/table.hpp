#pragma once
// The table behind a report: a row per campaign and cell, a column per metric.

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "results/record/metrics.hpp"
#include "results/store/store.hpp"

namespace kvstone {

/// A campaign, by its number in the file.
struct ReportCampaign {
    std::int64_t number = 0;
    std::string hardware_class;
};

struct ReportRow {
    std::int64_t campaign = 0;  ///< its place among the campaigns
    std::int64_t cell = 0;      ///< its number in the file
    std::int64_t attempt = 0;
    std::int64_t processes = 1;
    bool ok = false;
};

/// A metric's figures, one a row; NaN: none.
struct ReportColumn {
    Metric const* metric = nullptr;
    std::string component;  ///< empty: both together, or the worse of K and V
    std::vector<double> values;
    std::vector<double> low;  ///< empty where no row has an interval
    std::vector<double> high;
};

struct ReportTable {
    std::vector<ReportCampaign> campaigns;  ///< oldest first
    std::vector<ReportRow> rows;            ///< by campaign, newest first; within one in plan order
    std::vector<ReportColumn> columns;      ///< the most asked for come first
    std::int64_t rows_left_out = 0;         ///< rows beyond the largest number that is read
};

inline constexpr double no_figure = std::numeric_limits<double>::quiet_NaN();

/// Reads the newest rows, so many at most, of all campaigns, or of the one of this id.
ReportTable read_report_table(Store const& store, std::string const& campaign, std::size_t most_rows);

}  // namespace kvstone
