#pragma once

#include <string>

#include "scenarios/cell.hpp"

namespace kvstone {

/// identify(), for a cell whose source, still unset, prints as the given text: a plan has many cells of one source.
void identify_with_source_text(Cell& cell, std::string const& source_text);

}  // namespace kvstone
