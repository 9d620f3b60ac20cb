#pragma once
// The views that a person reads after a run.

#include <functional>
#include <iosfwd>
#include <string>

#include "results/query/query.hpp"

namespace kvstone {

struct ShowOptions {
    Screen screen = {};
    std::string campaign = {};  ///< its id or the first digits of it; empty: the one last run
    /// See bounds_rows().
    std::function<std::string(std::string const&)> coded_values = {};
};

/// The campaign's circumstances and coverage; a table of its codecs for each workload, source and context in plan
/// order; ratios by length where there are three lengths or more; hit rates of prefix caches by budget; ratios beside
/// bounds of order-0 coding where workload entropy has run; failures with their reasons; the targets that each codec
/// misses; and our figures beside published ones. No line is wider than the screen. Throws ConfigError where no
/// campaign, or more than one, fits.
void show_summary(Store const& store, std::ostream& out, ShowOptions const& options = {});

/// One metric by commit and night, each figure beside the one before it of the same cell and class of hardware, with a
/// mark where the level moved (see level.hpp). With a campaign (its id, or the beginning of it): the histories of its
/// cells on its class of hardware, up to it; empty: all histories. Throws ConfigError where no metric has this name,
/// and as campaign_meant().
QueryResult history_rows(Store const& store, std::string const& metric, std::string const& campaign = {});
/// The same as a table, with the rate of marks without a move.
void show_history(Store const& store, std::ostream& out, std::string const& metric, ShowOptions const& options = {});

}  // namespace kvstone
