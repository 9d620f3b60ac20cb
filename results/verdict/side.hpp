#pragma once
// One side of a comparison: the figures of a build, from a database or measured just now.

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
    double value = 0;  ///< NaN where it is null, like the ends of the interval
    double low = 0;
    double high = 0;
};
inline constexpr std::string_view side_components[] = {"k", "v", "kv"};

struct SideCell {
    Cell cell;           ///< the members that matches() reads
    std::string title;   ///< everything but the codec, for people
    std::string status;  ///< "ok", another status, or "missing"
    std::string reason;
    std::string counted_by = {};  ///< by a gate: the instrument and vector units of its counts of work
    std::string uncounted =
        {};  ///< by a gate: why there are none, "crash: SIGSEGV"; empty: there are, or were not wanted
    std::vector<SideFigure> figures;  ///< by metric, component and process; empty where status is not ok
};

struct Side {
    std::string name;      ///< as the user wrote it
    std::string database;  ///< file that has the campaign; empty: the one at hand
    std::string campaign;  ///< its id; empty: measured for this comparison
    std::string scenario;
    std::string started_utc;
    std::string night = {};  ///< as `run --night` named it
    std::string git_sha;
    std::string source_hash = {};  ///< empty: not known
    std::string toolchain;
    std::string build;  ///< type, compiler and flags
    std::string hardware_class;
    std::string hardware;           ///< for people
    std::string energy = {};        ///< the domains whose energy was read, see Host; empty: none
    std::string attempts = {};      ///< identifies the campaign's set of attempts
    Json hardware_facts = nullptr;  ///< of the first host of its class; null: not known
    std::vector<SideCell> cells;    ///< in plan order
    /// Answers item by item (1 right, 0 wrong) of cells with questions: by cell id, metric and component.
    std::map<std::tuple<std::string, std::string, std::string>, std::vector<double>> items;
};

/// The campaign that a word means: `latest`, a baseline's or a scenario's name (its newest campaign), a night's name or the
/// first digits of a commit (of several campaigns of it that of `scenario`, else the newest), the first digits of a
/// campaign's id, a database file (its newest campaign) or FILE:ANY_OF_THESE. Reads the figures of these metrics, or all
/// where none is named. Throws ConfigError where nothing, or more than one thing, is meant.
Side read_side(std::string const& database, std::string const& meant, std::string const& scenario = {},
               std::span<std::string const> metrics = {});
/// Base and head, read at the same time; a commit or a night as the base means its campaign of the head's scenario. An empty
/// head means the newest campaign of the base's scenario (of any where the base is a commit or a night); a scenario's name
/// as the base then means the campaign before that one. Throws ConfigError where a scenario has only one.
std::pair<Side, Side> read_sides(std::string const& database, std::string const& base, std::string const& head,
                                 std::span<std::string const> metrics = {});

/// Throws ConfigError where both are one campaign: compared with itself, every campaign passes.
void expect_two_campaigns(Side const& base, Side const& head);

/// The values of one figure over the processes; empty where there is none.
std::span<SideFigure const> find_figures(SideCell const& cell, std::size_t metric, std::size_t component);

/// The values that are not null, in ascending order, and their median.
std::vector<double> sorted_values(std::span<SideFigure const> figures);
std::optional<double> median_value(std::span<SideFigure const> figures);

/// The key of a figure within its cell, the same for all processes: its metric and its component.
inline std::pair<std::size_t, std::size_t> place_of(SideFigure const& figure) {
    return {figure.metric, figure.component};
}

/// Whether the metric is a share of right answers, which are also stored item by item.
bool is_accuracy_of_items(std::string_view metric);

/// Adds an attempt to a cell of a side: its figures where it is ok, else its status. Figures of metrics and components
/// that this build does not have are left out.
void add_measurement(Side& side, SideCell& cell, Measurement const& measurement);

/// Adds the counts of an attempt under an instrument to a cell that is ok.
void add_work(SideCell& cell, Measurement const& measurement);

/// Index into metrics(); its size where no metric has that name.
std::size_t metric_index(std::string_view name);

}  // namespace kvstone
