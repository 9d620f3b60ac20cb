#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// A trace of requests through a cache of prefixes that holds K and V in the cell's codec.
///
/// The source gives the shape, and the context is the block: K and V of so many of its first tokens are encoded once, and the
/// ledger of their containers, headers included, is what every entry of the cache takes. So a budget buys more entries under
/// one codec than under another, and nothing else about them differs. A trace that counts in blocks of another size than
/// the context is no test of this cell, which is then skipped.
///
/// Mode `account` keeps books alone: no entry is stored. Requests come one after the other, each matched, then committed
/// (block_store.hpp).
///
/// - Figures of `kv`: see "Prefix cache" in results/record/metrics.cpp. time_saved_percent and refused_hits are there where
///   the workload says what computing and the link take, and times are taken; then also the medians of encoding and decoding
///   a block, encode_ns and decode_ns, and their rates.
/// - Status verify_failed: the ledger does not bill what the container has. Skipped: the budget holds no entry.
void run_prefix_cache(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
