#pragma once
// Options of workloads that run models.

#include <cstdint>
#include <vector>

#include "scenarios/scenario.hpp"

namespace kvstone {

/// For every workload with a codec in a model's path, see codec_path.hpp: `protocol` (must be given) and `prefill`.
WorkloadOption protocol_option();
WorkloadOption prefill_option();

/// Number of passages of workload model where `passages` is not given.
inline constexpr std::uint64_t default_passages = 8;

/// For workload model: protocol, continuation, passages, document, prefill; see `kvstone list workloads`.
std::vector<WorkloadOption> model_options();
/// The longest context with which the continuation, too, stays within the contexts of the model's training.
std::uint64_t longest_model_context(std::uint64_t trained_tokens, Json const& options);

}  // namespace kvstone
