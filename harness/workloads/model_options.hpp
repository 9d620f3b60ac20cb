#pragma once
// Options of workloads that run models.

#include <cstdint>
#include <vector>

#include "scenarios/scenario.hpp"

namespace kvstone {

/// Of every workload with a codec in a model's path, see codec_path.hpp: `protocol` (must be given) and `prefill`.
WorkloadOption protocol_option();
WorkloadOption prefill_option();

/// Passages that workload model reads where `passages` is not given.
inline constexpr std::uint64_t default_passages = 8;

/// Of workload model: protocol, continuation, passages, document, prefill; see `kvstone list workloads`.
std::vector<WorkloadOption> model_options();

}  // namespace kvstone
