#pragma once
// The Pareto front of codecs: those that no other codec beats.

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
    std::string reason;  ///< a note for readers of its figures
    std::optional<double> bits_per_value;
    std::string error_metric;  ///< empty: none
    Estimate error;
    std::string speed_metric;  ///< empty: not timed
    Estimate speed;
    std::string left_out;   ///< why it is not compared; empty: it is compared
    std::string beaten_by;  ///< the codec that beats it; empty: none
    std::string rival;
    bool is_command = false;  ///< its times are those of another process, and compared with none
};

/// Cells of a campaign that differ in their codec alone, in plan order.
struct Peers {
    std::string title;
    std::vector<ParetoRow> rows;
};

/// Throws ConfigError where the file is older than v_pareto and has not been opened for writing since.
void require_pareto(Store const& store);

/// The rows of v_pareto of one campaign (see campaign_meant()), with all columns. Throws as require_pareto().
QueryResult pareto_rows(Store const& store, std::string const& campaign);

/// Throws as require_pareto().
std::vector<Peers> read_peers(Store const& store, std::string const& campaign);

/// "2 not_engaged (int8, fp16 | zstd), 1 skipped (nf4)"; empty where none is left out.
std::string left_out_text(Peers const& peers);
/// "1.2e-03..3.4e-03", or "-".
std::string interval_text(Estimate const& figure);

/// For each workload, source and context: the codecs that no other beats in bits per value, error and speed together,
/// the beaten codecs with the ones that beat them, and the codecs left out with the reason. Throws as read_peers().
void show_pareto(Store const& store, std::ostream& out, ShowOptions const& options);

}  // namespace kvstone
