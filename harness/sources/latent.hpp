#pragma once
// Caches of latent attention (MLA; DeepSeek-V2, arXiv:2405.04434, section 2.1): one vector a token, which holds a latent
// that K and V of all heads are made of, and channels of RoPE beside it. There is no V.

#include <cstdint>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// Throws ConfigError, beginning with `what`, where a tensor ("k", "v", "k_prerope" or "q") of this shape cannot be of latent
/// attention: a V, more than one head of K, no channel beside the latent.
void check_latent(std::string_view tensor, KvShape const& shape, std::uint64_t latent, std::string const& what);

/// Takes the first `latent` channels of K (and of queries that K's heads have absorbed) as the latent, as vLLM, SGLang and
/// LMCache keep it, and puts them behind the others: RoPE's channels then come first, as they do everywhere here. Throws as
/// check_latent().
void take_latent(KvTensors& tensors, std::uint64_t latent, std::string const& what);

/// Of a cache with a latent behind its other channels, the latent alone, as [layer, head, token, latent].
KvView latent_of(KvView const& cache, std::uint64_t latent);

}  // namespace kvstone
