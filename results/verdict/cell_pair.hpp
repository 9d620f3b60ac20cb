#pragma once
// A gate's two sides, cell by cell, and the figures that cannot be ranked.

#include <string>
#include <vector>

#include "results/verdict/gate.hpp"

namespace kvstone {

/// A cell of either side; null: that side does not have it.
struct CellPair {
    SideCell const* base = nullptr;
    SideCell const* head = nullptr;
    SideCell const& any() const { return head != nullptr ? *head : *base; }
    bool both_ok() const { return base != nullptr && head != nullptr && base->status == "ok" && head->status == "ok"; }
};

/// In the head's order, then the cells of the base alone. The pairs point into the evidence.
std::vector<CellPair> cell_pairs(Evidence const& evidence);

/// The cell was not measured: it is missing or was skipped.
bool is_absent(SideCell const& cell);

/// Components for which either side has the figure, in the order of components_of(), which takes `component`.
std::vector<std::size_t> components_of_either(std::string const& component, std::size_t metric, CellPair const& pair);

/// Why a figure cannot be ranked: it is missing, or the attempts at it failed.
struct Lack {
    Verdict verdict = Verdict::pass;  ///< pass: nothing is lacking
    std::string why = {};

    void add(Lack const& other);
};

/// Why a figure cannot be compared; where it is not `relative`, why the head's figure cannot be ranked.
Lack lack_of(bool relative, CellPair const& pair, std::size_t metric, std::size_t component);

/// Figures that a gain must not make worse, where both sides have them.
struct Costs {
    std::string worse = {};  ///< "nmse 3% worse, ..."; empty: nothing got worse
    Lack lack = {};          ///< figures that cannot be compared
};
/// Requires that both sides are ok.
Costs costs_of(JointRule const& rule, CellPair const& pair, std::size_t component);

/// The number of cells at which a side is not ok, and of its attempts that had to be repeated.
std::vector<std::string> notices_of_sides(Evidence const& evidence);

}  // namespace kvstone
