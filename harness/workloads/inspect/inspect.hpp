#pragma once

#include "harness/workloads/workload.hpp"

namespace kvstone {

/// What `kvstone inspect` tells of K after RoPE, K before it ("k_prerope") and V, stored: how unequal channels and
/// directions are, which decides what scales per channel, rotations and low ranks can gain. The codec and the backend play
/// no part: one codec is enough. K before RoPE is what the source has, else K with RoPE undone where that is known; without
/// either there is none.
///
/// - Figures: medians over layers and heads (of the heads that have the figure, the upper of two in the middle);
///   duplicate_rows and channel_mean_energy over all of them together.
/// - Profiles: each figure of each layer and head; pca_energy along position = rank, from 1.
/// - Status error: a tensor holds NaN or infinities.
void run_inspect(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
