#pragma once
// Reports: one page about a database, for people. HTML is a single file that works without a network.

#include <cstddef>
#include <iosfwd>
#include <string>

#include "results/store/store.hpp"

namespace kvstone {

struct ReportOptions {
    std::string name = {};                ///< the database's name in the page
    std::string campaign = {};            ///< its id or the first digits of it; empty: all campaigns
    std::size_t limit_bytes = 4'400'000;  ///< of the data in the page; it names parts left out
};

/// Whether this build has the chart library that the HTML page needs (see results/report/embed.cmake).
bool has_charts();

/// Throws ConfigError where this build has no chart library, or the database no campaign.
void write_html_report(Store const& store, std::ostream& out, ReportOptions const& options);

/// Campaigns, each group of cells with its codecs, failures, and differences between the campaigns' environments, as
/// Markdown. For the campaign given, or the newest.
void write_markdown_report(Store const& store, std::ostream& out, ReportOptions const& options);

}  // namespace kvstone
