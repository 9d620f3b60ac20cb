#pragma once

#include <string>
#include <utility>
#include <vector>

#include "scenarios/json.hpp"

namespace kvstone {

/// The inspections of sources, by name, as a Markdown page: medians over layers side by side, each beside its ratio to the
/// first source's, then one table for each tensor of the first source with one line a layer.
std::string inspection_page(std::vector<std::pair<std::string, Json>> const& inspections);

}  // namespace kvstone
