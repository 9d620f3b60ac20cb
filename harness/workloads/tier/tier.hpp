#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// A trace of requests through a cache of prefixes in two tiers: memory, and a disk that takes what memory has no room for.
///
/// As in prefix_cache the context is the block, and K and V of the source's first tokens are encoded once: what their
/// containers take, headers included, decides how many entries the budgets of both tiers hold. The tiers are exclusive
/// (two_tiers.hpp). Option `compress` says which of them holds coded bytes, and the workload's codec is what they are coded in;
/// where values are held as they come, an entry takes the tensors' own bytes.
///
/// Mode `account` keeps books alone. Mode `live`, on the host, stores every block: its values are the source's, begun at another
/// token (block_values.hpp); what memory has no room for is written to segment files below $KVSTONE_COLD_FOLDER (cold_store.hpp),
/// and every hit is decoded and verified. Where times are taken, entries are then encoded, written, read and decoded, alone and
/// overlapped (transfer.hpp), and `break_even: on` throttles a link (break_even.hpp).
///
/// - Figures of `kv`: see "Two tiers" in results/record/metrics.cpp, and those of prefix_cache over both tiers together. The way
///   to the disk that was used is the measurement's engine, and its reason where another one was asked for.
/// - Status verify_failed: a hit gave something else than was stored, or nothing; the ledger does not bill what the container has.
///   Skipped: a budget holds no entry.
void run_tier(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
