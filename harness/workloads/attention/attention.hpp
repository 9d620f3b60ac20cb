#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/workloads/workload.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// queries, spread: see `kvstone list workloads`.
std::vector<WorkloadOption> attention_options();

/// See Workload::skips: a codec that drops tokens may look at the queries before those that judge it alone.
std::string attention_skips(Codec const& codec, Json const& options);

/// Tokens in front of the queries of a context, which a policy that drops tokens sees; nothing where the queries are not the
/// last ones.
std::optional<std::uint64_t> attention_prompt(std::uint64_t context, Json const& options);

/// Encodes K and V once, decodes them from their sealed containers, and compares the attention of queries over them
/// with that over the originals: softmax attention with scale 1/sqrt(dim of K), causal, with RoPE in Q and K already;
/// formulas in backends/kernels/attention.hpp and attention_figures.hpp. Queries are a sample of each query head's
/// (query_sample.hpp). Other steps of a model's attention (soft caps, sliding windows, sinks of its own) are left out;
/// for a captured model with sliding windows the row says so. For latent attention, queries have absorbed the heads of
/// K: they attend to the one vector per token and read its latent, so that one tensor is coded (the scale is
/// 1/sqrt(query_dim) where the source has one). Of a codec that drops tokens the policy sees the prompt: all tokens but the
/// last `queries`, with their queries; later tokens stay and are coded with those that stay of it. Skipped where the source lacks K, V or Q. Throws CorruptData where
/// their shapes do not belong together. Fills the metrics attention_*, stored bytes and bits per value; nothing is
/// timed.
void run_attention(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
