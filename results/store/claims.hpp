#pragma once
// What a scenario says about figures: what studies published, and what ours have to reach.

#include <cstdint>

#include <sqlite3.h>

#include "scenarios/scenario.hpp"

namespace kvstone {

/// Writes published figures and targets of a campaign anew, each with the cells it speaks of: a scenario may be edited
/// between two runs. The caller holds the transaction. Throws ConfigError where one is of an unknown metric.
void write_claims(sqlite3* connection, std::int64_t campaign, Plan const& plan);

}  // namespace kvstone
