#pragma once
// `compare`: all figures of two campaigns, and their differences.

#include <iosfwd>
#include <memory>

#include "results/query/query.hpp"
#include "results/verdict/comparison.hpp"

namespace kvstone {

struct ComparedCell {
    SideCell const* cell = nullptr;  ///< of the head, or of the base where the head lacks it
    std::optional<Compared> figure;  ///< empty: the cell itself differs
    Verdict verdict = Verdict::pass;
    std::string why;
};

struct Comparison {
    Side base, head;
    Circumstances circumstances;
    std::vector<ComparedCell> rows;  ///< differences by cell and metric; all figures where asked for
    // A figure is in one of the next four at most; one that differs beyond its margin has a row.
    std::size_t equal = 0;            ///< deterministic figures that are equal to the last digit
    std::size_t within_margin = 0;    ///< qualities and memory whose difference is within the margin
    std::size_t timings = 0;          ///< timings that were compared
    std::size_t counts = 0;           ///< counts of work that were compared
    std::size_t equal_counts = 0;     ///< those of them that are equal
    std::size_t cells = 0;            ///< cells that both sides have, ok
    std::size_t new_cells = 0;        ///< cells that the base does not have
    std::size_t skipped = 0;          ///< cells that both sides skipped
    bool everything = false;          ///< rows without a difference are kept
    Verdict verdict = Verdict::pass;  ///< the worst of all rows
};

/// Compares all cells of both sides; `everything` keeps rows without a difference. Cells that failed in the base alone
/// cannot be compared and are inconclusive; where no cell is ok on both sides, the verdict is missing. Rows point into
/// the result.
std::unique_ptr<Comparison> compare_sides(Side base, Side head, CompareOptions const& options, bool everything);

/// A row per difference: cell, codec, component, metric, base, head, change, low, high, p, detectable, verdict, why. For
/// people `where` stands in place of the cell's id, changes are in per cent, and cells that cannot be compared are counted by
/// codec.
QueryResult rows_of(Comparison const& comparison, bool for_people);

/// Prints both sides, the differences of their circumstances, the rows as a table, and a summary.
void print_comparison(std::ostream& out, Comparison const& comparison, TableFormat format, Screen const& screen);
/// {"base":{...}, "head":{...}, "differences":[...], "rows":[...], "verdict":..., counts of the comparison}
Json to_json(Comparison const& comparison);

}  // namespace kvstone
