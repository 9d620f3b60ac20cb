#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// How often a cache is encoded and decoded: the input of each cycle is the output of the one before.
inline constexpr int kCycles = 10;

/// The error of K and V (those the source has) after repeated compression, as in a cache that is moved between
/// tiers again and again. Every cycle goes through a sealed container and a codec that has only seen that container.
///
/// Untimed. Figures, each over `kCycles` cycles: first_cycle_nmse and last_cycle_nmse against the original; cycle_drift,
/// the largest change of any value between the first cycle and the last. Profile: nmse along position = cycle, from 1.
/// Status verify_failed: a finite value did not come back finite. Status error: the original holds NaN or infinities that
/// the codec does not keep.
void run_cycles(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
