#pragma once
// The values that a model's cache holds for each token, from the model's file.

#include <cstdint>
#include <string>

namespace kvstone {

struct CacheShape {
    std::uint64_t layers = 0;
    std::uint64_t kv_heads = 0;
    std::uint64_t k_dim = 0;  ///< values of a head's K of a token
    std::uint64_t v_dim = 0;
    std::uint64_t trained_tokens = 0;  ///< 0: not known
    std::string note = {};             ///< where a sequence may hold fewer tokens in some layer; else empty
};

/// The shape of a GGUF model's cache. Throws SystemError where the file cannot be read, CorruptData where it is no GGUF
/// file, ConfigError where its cache is not K and V of every token, alike in every layer (recurrent, MLA, KV heads that
/// differ by layer), or where this build reads no models.
CacheShape cache_shape_of(std::string const& gguf);

}  // namespace kvstone
