#pragma once
// Caches of latent attention (MLA; DeepSeek-V2, arXiv:2405.04434, section 2.1): one vector per token, which holds a
// latent, from which K and V of all heads are made, and channels of RoPE beside it. There is no V.

#include <cstdint>

#include "harness/sources/tensor_source.hpp"

namespace kvstone {

/// Throws ConfigError, beginning with `what`, where a tensor ("k", "v", "k_prerope" or "q") of this shape cannot be of latent
/// attention: a V, more than one head of K, no channel beside the latent.
void check_latent(std::string_view tensor, KvShape const& shape, std::uint64_t latent, std::string const& what);

/// Takes the first `latent` channels of K (and of queries that K's heads have absorbed) as the latent, the order of
/// vLLM, SGLang and LMCache, and puts them behind the others: RoPE's channels then come first, as everywhere in
/// KVstone. Throws as check_latent().
void take_latent(KvTensors& tensors, std::uint64_t latent, std::string const& what);

/// The latent alone, as [layer, head, token, latent], of a cache with the latent behind its other channels.
KvView latent_of(KvView const& cache, std::uint64_t latent);

}  // namespace kvstone
