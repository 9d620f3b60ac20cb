#pragma once
// Keys or values as a quantiser stores them, vector by vector, for kernels that read them where they lie.

#include <cstddef>
#include <cstdint>

#include "backends/kv_view.hpp"

namespace kvstone {

enum class ScaleFormat : std::uint8_t;  // scales.hpp

/// What a vector's codes are. Stages say what each format is: fp16, bf16, fp8, ggml_blocks, int and nf4.
enum class RowFormat : std::uint8_t {
    fp16,
    bf16,
    e4m3,
    e5m2,
    q8_0,            ///< blocks of 32 with their step
    q4_0,            ///< likewise, of 16 bytes of codes
    signed_bytes,    ///< int:bits=8,scheme=symmetric
    bytes,           ///< int:bits=8,scheme=asymmetric
    signed_nibbles,  ///< int:bits=4,scheme=symmetric: the earlier code in the low half of a byte, like the next two
    nibbles,
    nf4
};

/// What shares a scale. inside: none does, or the format has it among its codes.
enum class RowScale : std::uint8_t { inside, token, page, head };

/// Groups of nf4 whose scales are coded together.
inline constexpr std::uint64_t blocks_of_superblock = 256;

/// The planes of one section. All memory is the backend's.
struct StoredRows {
    RowFormat format = RowFormat::fp16;
    RowScale scale = RowScale::inside;
    KvShape shape;
    std::uint64_t row_bytes = 0;  ///< of a vector's codes; vectors lie in [layer, head, token] order
    std::byte const* payload = nullptr;
    std::byte const* scales = nullptr;
    std::byte const* zeros = nullptr;  ///< null where codes are symmetric
    ScaleFormat scale_format{};
    /// token: channels of a group, whose scales lie in [vector, group] order. page: tokens of a group, [layer, head, page,
    /// channel]. head: not looked at; per_layer and per_head are.
    std::uint64_t group = 0;
    std::uint64_t per_layer = 0;  ///< scales from one layer to the next, and from one head to the next
    std::uint64_t per_head = 0;
    /// nf4 with scales coded in eight bits: what the codes of a superblock are multiples of. A superblock is the groups of
    /// `superblock_tokens` tokens, of_page of them to a page of these.
    float const* superblock_steps = nullptr;
    std::uint64_t superblock_tokens = 0;
    std::uint64_t superblocks_of_page = 1;

    KVSTONE_FUNCTION std::uint64_t groups() const { return (shape.dim + group - 1) / group; }
    KVSTONE_FUNCTION std::byte const* row(std::uint64_t vector) const { return payload + vector * row_bytes; }
    /// Tokens from `token` on that share the scales which are not a token's own.
    KVSTONE_FUNCTION std::uint64_t page_end(std::uint64_t token) const {
        return scale == RowScale::page ? (token / group + 1) * group : shape.tokens;
    }
};

}  // namespace kvstone
