#pragma once

#include "results/query/query.hpp"

namespace kvstone {

/// What gates decided, newest gate first and what needs looking at first within one, at most 500 findings; nothing where
/// the database has no gates.
QueryResult gate_verdicts(Store const& store);

}  // namespace kvstone
