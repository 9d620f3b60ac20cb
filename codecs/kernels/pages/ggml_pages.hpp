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

/// Blocks of a page's vectors, one after the other.
void encode_ggml_blocks(GgmlFormat format, Page<float const> const& page, std::byte* blocks);
void decode_ggml_blocks(GgmlFormat format, std::byte const* blocks, Page<float> const& page);

}  // namespace kvstone
