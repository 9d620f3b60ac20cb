#pragma once
// What the page's scripts read, as one JSON object. Rows lie in columns:
//   campaigns  [{campaign, scenario, build, ...}], oldest first
//   texts      {workload: [...], ...}: what the numbers in `rows` stand for
//   rows       {campaign: [place, ...], cell: [id, ...], workload: [place, ...], context: [number, ...], ...}
//   metrics    [{name, component, unit, better, deterministic, formula}]; the figures of metric i are in v<i>, their
//              intervals in l<i> and h<i>, one a row; what the limit left no room for is not there
//   samples    [{metric, component}]; their quantiles are in q<i>, as read_quantiles has them
//   moves      [[metric, row], ...]: where a cell's figures moved to another level
//   failures, missing, outcome, environment, notes

#include <string>

#include "results/report/report.hpp"

namespace kvstone {

std::string page_data(Store const& store, ReportOptions const& options);

}  // namespace kvstone
