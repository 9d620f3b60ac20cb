#pragma once
// The data of the page's scripts, as one JSON object. Rows lie in columns:
//   campaigns  [{campaign, scenario, build, ...}], oldest first
//   texts      {workload: [...], ...}: the texts for the numbers in `rows`
//   rows       {campaign: [place, ...], cell: [place, ...], workload: [place, ...], context: [number, ...], ...}
//   metrics    [{name, component, unit, better, deterministic, speed, formula}]; the figures of metric i are in v<i>, their
//              intervals in l<i> and h<i>, one a row; figures beyond the size limit are left out
//   samples    [{metric, component}]; their quantiles are in q<i>, see read_quantiles()
//   positions  [{metric, component}]; the figures along positions are in p<i>, see read_positions()
//   passage_doubts  {"3": text, ...}: why intervals over so many passages are doubtful; enough passages are not in it
//   totals     [{campaign, cell, source, peers, weights_bytes, ...}] of v_pareto_total; only where several files of weights were
//              compared with one reference model
//   moves      [[metric, row], ...]: marks of moves to another level
//   failures, missing, outcome, environment, notes

#include <string>

#include "results/report/report.hpp"

namespace kvstone {

std::string page_data(Store const& store, ReportOptions const& options);

}  // namespace kvstone
