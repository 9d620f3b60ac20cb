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
/// Requests come one after the other, each matched, then committed (block_store.hpp).
///
/// Mode `account` keeps books alone: no entry is stored. Mode `live` encodes real tensors, stores the containers in memory by
/// their keys, finds, decodes and verifies them (live_replay.hpp): K and V of each block as the cell's model computes them
/// behind what was found, or drawn with a seed of the block. A budget buys as many entries as in mode account, and all
/// counts of the two agree; bytes agree where all blocks of a codec take the same.
///
/// - Figures of `kv`: see "Prefix cache" in results/record/metrics.cpp. time_saved_percent and refused_hits are there where
///   times are taken and it is known what computing takes: the workload says so, and what the link takes (then also the
///   medians of encoding and decoding a block, encode_ns and decode_ns, and their rates), or a model computes, by whose clock
///   there is a time_saved_by_clock_percent, too.
/// - Status verify_failed: the ledger does not bill what the container has; clients count otherwise than one; an entry decodes
///   to other values than when it was written. Skipped: the budget holds no entry; mode live on a dump, or on a device. Error:
///   mode live needs more memory than there is.
void run_prefix_cache(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
