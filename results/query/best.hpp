#pragma once
// The codec with the fewest bits that meets the constraints.

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "results/query/constraint.hpp"
#include "results/query/show.hpp"

namespace kvstone {

/// The figure that decides about a constraint: that of the worst component.
struct WorstFigure {
    Estimate figure;
    std::string component;  ///< k, v or kv
    std::string task;       ///< the row of workload tasks that has it; empty: the cell itself
};

/// A codec with its figures for the constraints.
struct Ranked {
    ParetoRow row;
    /// For each constraint in turn: the worst component's figure of an error, else that of K and V together where there
    /// is one, as in v_pareto. Empty: neither the cell has the metric nor a row of workload tasks that is joined with it.
    std::vector<std::optional<WorstFigure>> figures;
    bool meets = false;
    /// The largest distance of a figure's deciding end from its bound, over the bound (over 1 where the bound is 0). A
    /// figure that is absent is infinitely far.
    double distance = 0;
};

/// Cells that differ in their codec alone, have stored bytes and may be compared.
struct Answer {
    Peers peers;  ///< all of them
    std::vector<Ranked>
        ranked;  ///< codecs that meet all constraints first, by bits per value; then the others, nearest first
};

/// Rows that failed, or that read less than half through the codec, are not ranked. A row meets a constraint where the
/// end of its 95% interval does, see Constraint::bounding_end(); without an interval, where its value does. Where no
/// workload has all figures, rows of workload model are judged by those of workload tasks with the same cache, too
/// (same_cache_sql()): of several the worst counts, and groups of those rows are not answers of their own. Throws as
/// read_peers().
std::vector<Answer> answers(Store const& store, std::string const& campaign,
                            std::vector<Constraint> const& constraints);

/// For each workload, source and context the codec with the fewest bits per value that meets the constraints, and the
/// codecs behind it; where none does, the nearest and its distance. Throws as read_peers().
void show_best(Store const& store, std::ostream& out, std::vector<Constraint> const& constraints,
               ShowOptions const& options);
/// The same as rows: group, codec_name, cell, bits_per_value, meets, best, and value, low, high, component and row
/// of workload tasks of each metric.
QueryResult best_rows(Store const& store, std::vector<Constraint> const& constraints, std::string const& campaign);

}  // namespace kvstone
