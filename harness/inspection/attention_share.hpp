#pragma once

#include <vector>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// Share of the attention on the first token (an attention sink, Xiao et al., "Efficient Streaming Language Models with
/// Attention Sinks", ICLR 2024), one per layer: the mean over the layer's query heads and over 64 evenly spaced
/// queries. Causal, scale 1/sqrt(dim); query heads share KV heads in order. Needs K and Q after RoPE.
std::vector<double> first_token_share(KvTensors const& tensors);

}  // namespace kvstone
