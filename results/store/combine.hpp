#pragma once
// Figures over several processes of one cell.

#include <cstdint>

#include <sqlite3.h>

namespace kvstone {

/// Replaces `combined` for one cell of a campaign: medians over the attempts that count, where every process has one
/// and all are ok; otherwise no row. The caller holds the transaction.
void combine_processes(sqlite3* connection, std::int64_t campaign, std::int64_t cell);

}  // namespace kvstone
