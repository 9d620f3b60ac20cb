#pragma once

#include <string>

#include "scenarios/json.hpp"

namespace kvstone {

/// The answer of `kvstone bisect` for people, from the one that it prints as JSON.
std::string bisect_text(Json const& answer);

}  // namespace kvstone
