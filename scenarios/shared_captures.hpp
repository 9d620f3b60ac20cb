#pragma once

#include <vector>

#include "scenarios/scenario.hpp"

namespace kvstone {

/// Where a workload of the plan reads queries of a model, has whoever captures K and V of that model and context first
/// capture them, too (`queries` in the cells' locators), so that the model reads the text once.
void share_captures(std::vector<Cell>& cells, Vocabulary const& vocabulary);

}  // namespace kvstone
