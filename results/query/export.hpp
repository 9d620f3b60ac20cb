#pragma once
// Results in the formats of other tools.

#include <iosfwd>
#include <string>

#include "results/store/store.hpp"

namespace kvstone {

enum class ExportFormat { csv, jsonl, google_benchmark, junit, datasette };
/// csv, jsonl, google-benchmark, junit or datasette. Throws ConfigError for any other name.
ExportFormat export_format_named(std::string const& name);

/// Exports one campaign: the one whose id is `campaign`, or begins so; empty: the one last run. A value that is not
/// finite is null, or empty in CSV. Rows are written while they are read (junit and google-benchmark hold a part of
/// them in memory). Throws ConfigError where no campaign, or more than one, fits.
///   csv, jsonl        the rows of v_latest
///   google-benchmark  every sample of every time (metrics in ns) as a repetition, as its compare.py reads them; a cell that
///                     failed as an entry with error_occurred
///   junit             a test case per cell: crashes and the like are errors, wrong content and missed targets failures,
///                     cells that were never tried errors
///   datasette         descriptions of the whole database, all campaigns: every table, view, column and canned query
void export_campaign(Store const& store, std::ostream& out, ExportFormat format, std::string const& campaign);

void export_google_benchmark(Store const& store, std::ostream& out, std::string const& campaign);
void export_datasette(Store const& store, std::ostream& out);
void export_junit(Store const& store, std::ostream& out, std::string const& campaign);

}  // namespace kvstone
