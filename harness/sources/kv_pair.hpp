#pragma once
// What vLLM's connector to a shared folder keeps of a layer, in a file for each: the array `kv_cache`.

#include <cstdint>
#include <memory>
#include <string>

#include "harness/files/array_file.hpp"

namespace kvstone {

enum class KvCacheForm : std::uint8_t {
    none,   ///< the file holds something else
    pair,   ///< [2 (K, V), token, heads * channels]
    latent  ///< of latent attention, one vector a token: [token, channels], or [block, token of the block, channels]
};

/// `latent`: it is said to be latent attention's, so that two blocks are not taken for K and V.
KvCacheForm kv_cache_form(ArrayFile const& file, bool latent);

/// A file with more arrays: kv_cache.k, and of a pair kv_cache.v. Blocks follow one another as the file has them. `file`
/// must live as long.
std::unique_ptr<ArrayFile> split_kv_cache(ArrayFile const& file, KvCacheForm form);

}  // namespace kvstone
