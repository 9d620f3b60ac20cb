#pragma once

#include <string>

#include "scenarios/cell.hpp"

namespace kvstone {

/// identify() for a cell whose source is not set and prints as the given text: many cells of a plan have one source.
void identify_with_source_text(Cell& cell, std::string const& source_text);

}  // namespace kvstone
