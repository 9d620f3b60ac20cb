#pragma once
// What a person wants to see after a run.

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

/// The campaign's circumstances and coverage, a table of its codecs for each workload, source and context in plan
/// order, ratios by length where there are three lengths or more, hit rates of prefix caches by budget, ratios beside bounds
/// of order-0 coding where workload entropy has run, what failed with its reason, which targets each codec misses, and our
/// figures beside published ones. No line is wider than the screen.
/// Throws ConfigError where no campaign, or more than one, is meant.
void show_summary(Store const& store, std::ostream& out, ShowOptions const& options = {});

/// One metric by commit and night, each figure beside the one before it of the same cell and class of hardware, with a mark
/// where the level moved (see level.hpp). Of a campaign (its id, or how it starts): the histories of its cells on its class
/// of hardware, up to it; empty: of all. Throws ConfigError where no metric has this name, and as campaign_meant().
QueryResult history_rows(Store const& store, std::string const& metric, std::string const& campaign = {});
/// The same as a table, with how often a mark comes without a move.
void show_history(Store const& store, std::ostream& out, std::string const& metric, ShowOptions const& options = {});

}  // namespace kvstone
