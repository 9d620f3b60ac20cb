#pragma once

#include <string>
#include <vector>

#include "codecs/codec.hpp"
#include "harness/workloads/workload.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// queries: see `kvstone list workloads`.
std::vector<WorkloadOption> attention_decode_options();

/// Why no kernel of attention reads a codec's stored bytes; empty where one does.
std::string attention_decode_skips(Codec const& codec, Json const& options);

/// Times one step of decoding: the queries of the source's last tokens attend to a whole cache of the codec's stored
/// planes, decoded inside the kernel (codecs/kernels/coded_attention.hpp). The cell's batch is the number of sequences,
/// which have caches of their own (decode_cache.hpp) and the same queries. K and V are taken as float32. In the same
/// rounds two references run on the host: our kernel over fp16, and ggml's flash_attn_ext over f16 and, for q8_0 and
/// q4_0, over the codec's own bytes; the speed-ups are ratios of medians. Figures: attention_step_* and their
/// neighbours in results/record/metrics.cpp. verify_failed where outputs of the first or the last sequence differ by
/// more than 1e-5 from attention in double precision over the decoded container. Skipped where the source lacks K, V or
/// Q, and for latent attention.
void run_attention_decode(AttemptRequest const& request, Measurement& measurement);

}  // namespace kvstone
