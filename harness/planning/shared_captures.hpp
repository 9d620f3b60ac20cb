#pragma once

#include "scenarios/scenario.hpp"

namespace kvstone {

/// Where a workload of the plan needs queries of a model, has whoever captures K and V of that model and context first
/// capture them, too (`queries` in the cells' locators), so that the model reads the text once.
void share_captures(Plan& plan);

}  // namespace kvstone
