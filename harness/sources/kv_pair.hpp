#pragma once
// The files of vLLM's connector to a shared folder, one per layer, with the array `kv_cache`.

#include <cstdint>
#include <memory>
#include <string>

#include "harness/files/array_file.hpp"

namespace kvstone {

enum class KvCacheForm : std::uint8_t {
    none,   ///< the file has another content
    pair,   ///< [2 (K, V), token, heads * channels]
    latent  ///< of latent attention, one vector a token: [token, channels], or [block, token of the block, channels]
};

/// `latent`: the user says that it is latent attention's, so that two blocks are not taken for K and V.
KvCacheForm kv_cache_form(ArrayFile const& file, bool latent);

/// The file as one with more arrays: kv_cache.k, and for a pair kv_cache.v. Blocks keep the file's order. `file` must
/// outlive it.
std::unique_ptr<ArrayFile> split_kv_cache(ArrayFile const& file, KvCacheForm form);

}  // namespace kvstone
