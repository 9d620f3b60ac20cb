#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// Sends a trace of requests through a cache of prefixes that holds K and V in the cell's codec.
///
/// The source gives the shape, and the context is the block: K and V of this many of its first tokens are encoded once,
/// and the ledger of their containers, headers included, is the size of every entry of the cache. So a budget buys more
/// entries under one codec than under another, and they differ in no other way. A trace that counts in blocks of
/// another size than the context does not fit this cell, which is then skipped.
///
/// Requests come one after the other, each matched, then committed (block_store.hpp).
///
/// Mode `account` keeps accounts alone: no entry is stored. Mode `live` encodes real tensors, stores the containers in
/// memory by their keys, finds, decodes and verifies them (live_replay.hpp). K and V of each block are computed by the
/// cell's model behind the found blocks, or drawn with a seed of the block. A budget buys as many entries as in mode
/// account, and all counts of the two agree; bytes agree where all blocks of a codec have one size.
///
/// - Figures of `kv`: see "Prefix cache" in results/record/metrics.cpp. time_saved_percent and refused_hits need times
///   and the cost of computing: either the workload gives that cost and the link's, with which come the medians of
///   encoding and decoding a block, encode_ns and decode_ns, and their rates; or a model computes, and its wall time
///   also gives time_saved_by_clock_percent.
/// - Status verify_failed: the ledger differs from the container; several clients count other hits than one; an entry
///   decodes to other values than when it was written. Skipped: the budget holds no entry; mode live on a dump, or on a
///   device. Error: mode live needs more memory than the machine has.
void run_prefix_cache(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
