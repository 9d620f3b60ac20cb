#pragma once
// Claims of a scenario about figures: published ones of studies, and targets for ours.

#include <cstdint>

#include <sqlite3.h>

#include "scenarios/scenario.hpp"

namespace kvstone {

/// Replaces published figures and targets of a campaign, each with the cells that it is about: a scenario may be edited
/// between two runs. The caller holds the transaction. Throws ConfigError where a claim is about an unknown metric.
void write_claims(sqlite3* connection, std::int64_t campaign, Plan const& plan);

}  // namespace kvstone
