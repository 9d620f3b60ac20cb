#pragma once
// The part of a state of llama.cpp's that holds K and V: types, places and sizes of all layers.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace kvstone {

class LlamaReader;

/// K or V of one layer.
struct LlamaCacheTensor {
    std::int32_t type = 0;            ///< ggml's number
    std::uint64_t row_bytes = 0;      ///< of a cell, [head, dim]; where it lies by channel, of a channel, [cell]
    std::uint64_t rows = 0;           ///< cells; where it lies by channel, channels
    bool by_channel = false;          ///< V without flash attention
    std::uint32_t element_bytes = 0;  ///< by channel only
    std::uint64_t begin = 0;          ///< of the values, counted from the first byte of the state

    std::uint64_t bytes() const { return rows * row_bytes; }
};

struct LlamaCache {
    std::uint32_t cells = 0;              ///< tokens of the one sequence
    std::uint32_t rotated_channels[2]{};  ///< over which K and V are rotated; 0: they are not
    std::vector<LlamaCacheTensor> k, v;   ///< of each layer
    std::uint64_t end = 0;                ///< behind the last value
};

/// Reads the cache that begins at byte `begin` of a state. `accept` is called for each tensor before its values are passed
/// over, with the reader behind its type and size, and `accept_rotation` before the layers; both may throw. Throws CorruptData, beginning with `name`, where the bytes are
/// no such cache, ConfigError where it holds several sequences.
LlamaCache read_llama_cache(std::span<std::byte const> state, std::uint64_t begin, std::string const& name,
                            std::function<void(LlamaCache const&)> const& accept_rotation = {},
                            std::function<void(LlamaReader const&, LlamaCacheTensor const&)> const& accept = {});

}  // namespace kvstone
