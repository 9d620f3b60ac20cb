#pragma once

#include <string>
#include <vector>

#include "scenarios/scenario.hpp"

namespace kvstone {

/// Leaves, of cells that would have the same figures (Vocabulary::measured_of_codec), the first, which keeps its own codec;
/// where one that is left out is among the ids that are required, that one is in its place.
void share_figures(std::vector<Cell>& cells, std::vector<std::string>& required, Vocabulary const& vocabulary);

}  // namespace kvstone
