#pragma once
// Codecs that no other beats.

#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "results/query/query.hpp"
#include "results/query/show.hpp"
#include "results/statistics/estimate.hpp"

namespace kvstone {

/// A row of v_pareto.
struct ParetoRow {
    std::string cell;
    std::string codec_name;
    std::string reason;  ///< what a reader of its figures has to know
    std::optional<double> bits_per_value;
    std::string error_metric;  ///< empty: none
    Estimate error;
    std::string speed_metric;  ///< empty: not timed
    Estimate speed;
    std::string left_out;   ///< why it is not compared; empty: it is
    std::string beaten_by;  ///< empty: by none
    std::string rival;
};

/// Cells of a campaign that differ in their codec alone, in plan order.
struct Peers {
    std::string title;
    std::vector<ParetoRow> rows;
};

/// Throws ConfigError where the file is older than v_pareto and was not opened for writing since.
void require_pareto(Store const& store);

/// The rows of v_pareto of one campaign (see campaign_meant()), whole. Throws as require_pareto().
QueryResult pareto_rows(Store const& store, std::string const& campaign);

/// Throws as require_pareto().
std::vector<Peers> read_peers(Store const& store, std::string const& campaign);

/// "2 not_engaged (int8, fp16 | zstd), 1 skipped (nf4)"; empty where none is left out.
std::string left_out_text(Peers const& peers);
/// "1.2e-03..3.4e-03", or "-".
std::string interval_text(Estimate const& figure);

/// For each workload, source and context the codecs that no other beats in bits per value, error and speed together,
/// which ones are beaten by which, and what was left out and why. Throws as read_peers().
void show_pareto(Store const& store, std::ostream& out, ShowOptions const& options);

}  // namespace kvstone
