#pragma once

#include <vector>

#include "harness/workloads/workload.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// queries, spread: see `kvstone list workloads`.
std::vector<WorkloadOption> attention_options();

/// Encodes K and V once, decodes them from their sealed containers, and holds what queries make of them against what they
/// make of the originals: softmax attention with scale 1/sqrt(dim of K), causal, RoPE being in Q and K already; formulas
/// in backends/kernels/attention.hpp and attention_figures.hpp. Queries are a sample of each query head's
/// (query_sample.hpp). What else a model does to logits (soft caps, sliding windows, sinks of its own) is left out; of a
/// captured model with sliding windows the row says so. Of latent attention queries are those that the heads of K have
/// been absorbed into: they attend to the one vector a token, and what they read is its latent, so that one tensor is
/// coded (the scale is 1/sqrt(query_dim) where the source has one). Skipped where the source lacks K, V or Q. Throws
/// CorruptData where their shapes do not belong together. Fills the metrics attention_*, stored bytes and bits per value;
/// nothing is timed.
void run_attention(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
