#pragma once

#include <vector>

#include "scenarios/scenario.hpp"

namespace kvstone {

/// Where a workload of the plan reads queries of a model, marks the cells of that model and context (`queries` in their
/// locators): the first capture of K and V then includes the queries, and the model reads the text once.
void share_captures(std::vector<Cell>& cells, Vocabulary const& vocabulary);

}  // namespace kvstone
