#pragma once

#include "results/query/query.hpp"

namespace kvstone {

/// Findings of gates: the newest gate first, and within a gate the findings that need attention first; at most 500, and
/// empty where the database has no gates.
QueryResult gate_verdicts(Store const& store);

}  // namespace kvstone
