#pragma once
// The engine's own cache: the types that it keeps K and V in, and how its attention reads them.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "codecs/codec.hpp"
#include "harness/engine/engine.hpp"

namespace kvstone {

enum class FlashAttention : std::uint8_t { off, on, automatic };

/// As the engine is asked for it; that of every comparison is f32 without flash attention.
struct EngineCache {
    std::string k_type = "f32";  ///< ggml's name
    std::string v_type = "f32";
    FlashAttention flash = FlashAttention::off;
    bool rotates = true;  ///< types with blocks, where the engine can
    bool operator==(EngineCache const&) const = default;
};

/// K or V as the engine's state has them.
struct StoredCache {
    std::string type;
    std::uint64_t bytes = 0;             ///< of all tokens, layers and heads
    std::uint64_t values = 0;            ///< likewise
    std::uint64_t rotated_channels = 0;  ///< each vector is rotated in groups of so many; 0: it is not
};

/// Reads it from a state (EngineSequence::state()), that is from the bytes that the engine gives away. Throws ConfigError
/// where the engine keeps several caches (sliding windows of their own, recurrent layers), CorruptData where the state has
/// another form.
StoredCache stored_cache(std::span<std::byte const> state, Component component, std::string const& model);
/// Changes every stored value of K and V, and nothing else of the state. Throws as stored_cache().
void spoil_values(std::span<std::byte> state, std::string const& model);

}  // namespace kvstone
