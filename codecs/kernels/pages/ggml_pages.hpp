#pragma once
// ggml's blocks of 32 values by vectors: what codecs/kernels/ggml_blocks.hpp does value by value. Host only.

#include <cstddef>

#include "backends/kernels/kv_page.hpp"

namespace kvstone {

/// Which of ggml's blocks: q8_0 {8, false}, q4_0 {4, false}, q4_1 {4, true}, q5_0 {5, false}, q5_1 {5, true}.
struct GgmlFormat {
    unsigned bits;
    bool with_least;
};

/// How a block is laid out, and the numbers that its codes stand for.
template <unsigned code_bits, bool least_stored>
struct GgmlLayout {
    static constexpr unsigned bits = code_bits;
    static constexpr bool with_least = least_stored;
    static constexpr std::size_t values = 32;
    static constexpr std::size_t header_bytes = with_least ? 4 : 2;
    static constexpr std::size_t high_bytes = bits == 5 ? 4 : 0;
    static constexpr std::size_t bytes = header_bytes + high_bytes + (bits == 8 ? 32 : 16);
    /// Codes as numbers, which lie in [low, high]; stored codes are these + offset.
    static constexpr int offset = with_least || bits == 8 ? 0 : 1 << (bits - 1);
    static constexpr int low = with_least ? 0 : bits == 8 ? -127 : -offset;
    static constexpr int high = with_least ? (1 << bits) - 1 : bits == 8 ? 127 : offset - 1;
};

/// Blocks of a page's vectors, one after the other.
void encode_ggml_blocks(GgmlFormat format, Page<float const> const& page, std::byte* blocks);
void decode_ggml_blocks(GgmlFormat format, std::byte const* blocks, Page<float> const& page);

}  // namespace kvstone
