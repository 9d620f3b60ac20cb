#pragma once

#include <string>
#include <vector>

#include "scenarios/scenario.hpp"

namespace kvstone {

/// Of cells that would have the same figures (Vocabulary::measured_of_codec), keeps the first, with its own codec.
/// Where a removed cell's id is required, the kept cell's id takes its place.
void share_figures(std::vector<Cell>& cells, std::vector<std::string>& required, Vocabulary const& vocabulary);

}  // namespace kvstone
