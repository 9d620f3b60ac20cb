#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// Encodes and decodes K and V (those the source has), one after the other, each as a whole tensor.
///
/// Timed: a warm-up pass, then encoding and decoding passes in turn, each fenced, until the stopping rule is satisfied
/// with both. Untimed: a fresh codec decodes the verified values from the sealed container. They must equal the values
/// that decode() gives in place. `timing: off` makes one pass and leaves the speed figures out. `energy: on` repeats each kind of pass after that, for its energy.
///
/// - `kv`: bytes and traffic are sums; times are sums of the medians, their intervals sums of the bounds; errors are
///   those of K's and V's values together.
/// - Status verify_failed: the container decodes to another tensor; the ledger bills other bytes than are stored; a
///   finite value did not come back finite; a value has a larger error than the codec declares; changing stored bytes
///   below the checksum has no effect, although the codec shrinks the tensor.
/// - Status error: the original holds NaN or infinities that the codec does not keep.
/// - Profiles: nmse and cosine of each layer and head.
void run_roundtrip(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
