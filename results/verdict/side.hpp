#pragma once
// One side of a comparison: what a build measured, whether it stands in a database or has just been measured.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "results/record/measurement.hpp"
#include "results/record/metrics.hpp"
#include "results/store/store.hpp"

namespace kvstone {

/// A figure of one process at one cell.
struct SideFigure {
    std::uint16_t metric = 0;    ///< index into metrics()
    std::uint8_t component = 0;  ///< index into side_components
    int process = 0;
    double value = 0;  ///< NaN where it is null; so are the ends of the interval
    double low = 0;
    double high = 0;
};
inline constexpr std::string_view side_components[] = {"k", "v", "kv"};

struct SideCell {
    Cell cell;           ///< as far as matches() looks into it
    std::string title;   ///< all but the codec, for people
    std::string status;  ///< "ok", another status, or "missing"
    std::string reason;
    std::vector<SideFigure> figures;  ///< by metric, component and process; empty where status is not ok
};

struct Side {
    std::string name;      ///< as it was asked for
    std::string database;  ///< file that has the campaign; empty: the one at hand
    std::string campaign;  ///< its id; empty: measured for the occasion
    std::string scenario;
    std::string started_utc;
    std::string git_sha;
    std::string source_hash = {};  ///< empty: not told
    std::string toolchain;
    std::string build;  ///< type, compiler and flags
    std::string hardware_class;
    std::string hardware;           ///< for people
    std::string attempts = {};      ///< which ones the campaign has: the same where they are
    Json hardware_facts = nullptr;  ///< of the first host of its class; null: not known
    std::vector<SideCell> cells;    ///< in plan order
    /// Answers item by item (1 right, 0 wrong) of cells that asked any: by cell id, metric and component.
    std::map<std::tuple<std::string, std::string, std::string>, std::vector<double>> items;
};

/// The campaign that a word means: `latest`, a baseline's or a scenario's name (its newest campaign), the first digits of a
/// campaign's id or of a commit (of several campaigns of it that of `scenario`, else the newest), a database file (its
/// newest campaign) or FILE:ANY_OF_THESE. Reads the figures of these metrics, or all where none is named. Throws
/// ConfigError where nothing, or more than one thing, is meant.
Side read_side(std::string const& database, std::string const& meant, std::string const& scenario = {},
               std::span<std::string const> metrics = {});
/// Base and head, read at the same time; a commit as the base means its campaign of the head's scenario. An empty head means
/// the newest campaign of the base's scenario (of any where the base is a commit); a scenario's name as the base then means
/// the campaign before that one. Throws ConfigError where a scenario has only one.
std::pair<Side, Side> read_sides(std::string const& database, std::string const& base, std::string const& head,
                                 std::span<std::string const> metrics = {});

/// Throws ConfigError where both are one campaign: compared with itself everything passes.
void expect_two_campaigns(Side const& base, Side const& head);

/// The values of one figure over the processes; empty where there is none.
std::span<SideFigure const> find_figures(SideCell const& cell, std::size_t metric, std::size_t component);

/// Those that are not null, in ascending order, and their median.
std::vector<double> sorted_values(std::span<SideFigure const> figures);
std::optional<double> median_value(std::span<SideFigure const> figures);

/// Where a figure belongs within its cell, whatever process it is of: its metric and its component.
inline std::pair<std::size_t, std::size_t> place_of(SideFigure const& figure) {
    return {figure.metric, figure.component};
}

/// Whether the metric is a share of right answers, which are stored item by item, too.
bool is_accuracy_of_items(std::string_view metric);

/// Puts what an attempt brought into a cell of a side: its figures where it is ok, else its status. Figures of metrics and
/// components that this build does not have are passed over.
void add_measurement(Side& side, SideCell& cell, Measurement const& measurement);

/// Index into metrics(); its size where there is none of that name.
std::size_t metric_index(std::string_view name);

}  // namespace kvstone
