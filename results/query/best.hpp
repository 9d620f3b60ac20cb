#pragma once
// The codec of the fewest bits that meets the constraints.

#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "results/query/constraint.hpp"
#include "results/query/show.hpp"

namespace kvstone {

/// The figure of the component that a constraint is ranked by.
struct WorstFigure {
    Estimate figure;
    std::string component;  ///< k, v or kv
};

/// A codec beside its constraints.
struct Ranked {
    ParetoRow row;
    /// Of each constraint in turn: of an error the worst component's, of all else that of K and V together where there is
    /// one, as v_pareto has it. Empty: the cell does not have the metric.
    std::vector<std::optional<WorstFigure>> figures;
    bool meets = false;
    /// How far the ends that count are off, over the bounds (over 1 where a bound is 0): the largest. A figure that is
    /// absent is infinitely far.
    double distance = 0;
};

/// Cells that differ in their codec alone, as far as they have bytes and may be compared.
struct Answer {
    Peers peers;  ///< all of them
    std::vector<Ranked>
        ranked;  ///< those that meet everything first, by bits per value; then the others, nearest first
};

/// Rows that failed, or read less than half through the codec, are not ranked. A row meets a constraint where the end of
/// its 95% interval does, see Constraint::bounding_end(), and without an interval where its value does. Throws as
/// read_peers().
std::vector<Answer> answers(Store const& store, std::string const& campaign,
                            std::vector<Constraint> const& constraints);

/// For each workload, source and context the codec of the fewest bits per value that meets the constraints, and those
/// behind it; where none does, the nearest and by how much it misses. Throws as read_peers().
void show_best(Store const& store, std::ostream& out, std::vector<Constraint> const& constraints,
               ShowOptions const& options);
/// The same as rows: group, codec_name, cell, bits_per_value, meets, best, and value, low, high and component of each metric.
QueryResult best_rows(Store const& store, std::vector<Constraint> const& constraints, std::string const& campaign);

}  // namespace kvstone
