#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// Stores the figures of `kvstone inspect` for K after RoPE, K before it ("k_prerope") and V: how unequal channels and
/// directions are. They decide the gain of scales per channel, rotations and low ranks. The codec and the backend do
/// not matter: one codec is enough. K before RoPE is the source's, else K with RoPE undone where that is known; without
/// either it is left out.
///
/// - Figures: medians over layers and heads (of the heads that have the figure, the upper of two in the middle);
///   duplicate_rows and channel_mean_energy over all of them together.
/// - Profiles: each figure of each layer and head; pca_energy along position = rank, from 1.
/// - Status error: a tensor holds NaN or infinities.
void run_inspect(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
