#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// Sends a trace of requests through a cache of prefixes in two tiers: memory, and a disk for blocks that memory has no
/// room for.
///
/// As in prefix_cache, the context is the block, and K and V of the source's first tokens are encoded once: the size of
/// their containers, headers included, decides how many entries the budgets of both tiers hold. The tiers are exclusive
/// (two_tiers.hpp). Option `compress` says which of them holds coded bytes, and the workload's codec codes them; where
/// values are held without a codec, an entry has the tensors' own bytes.
///
/// Mode `account` keeps accounts alone. Mode `live`, on the host, stores every block: its values are the source's,
/// begun at another token (block_values.hpp). Blocks that memory has no room for are written to segment files below
/// $KVSTONE_COLD_FOLDER (cold_store.hpp), and every hit is decoded and verified. Where times are taken, entries are
/// then encoded, written, read and decoded, alone and overlapped (transfer.hpp), and `break_even: on` throttles a link
/// (break_even.hpp).
///
/// - Figures of `kv`: see "Two tiers" in results/record/metrics.cpp, and those of prefix_cache over both tiers together. The way
///   to the disk that was used is the measurement's engine; its reason names the one asked for where they differ.
/// - Status verify_failed: a hit has other bytes than were stored, or none; the ledger differs from the container.
///   Skipped: a budget holds no entry.
void run_tier(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
