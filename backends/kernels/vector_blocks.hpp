#pragma once
// The vectors of a box in blocks of consecutive tokens of one layer and head: the shape in which kernels walk over whole
// vectors.

#include <cstdint>

#include "backends/kernels/runs.hpp"

namespace kvstone {

/// How far ahead of what it works on a host thread asks for values.
inline constexpr std::uint64_t prefetched_values = 512;

/// Tokens [token, token + tokens) of one layer and head of a box.
struct VectorBlock {
    std::uint64_t layer;
    std::uint64_t head;
    std::uint64_t token;
    std::uint64_t tokens;
};

/// All vectors of a box, in packed order, in blocks of at most `tokens_per_block`.
class VectorBlocks {
  public:
    VectorBlocks(KvShape const& shape, std::uint64_t tokens_per_block)
        : heads_(shape.heads),
          tokens_(shape.tokens),
          tokens_per_block_(tokens_per_block),
          blocks_per_head_((shape.tokens + tokens_per_block - 1) / tokens_per_block),
          count_(shape.layers * shape.heads * blocks_per_head_) {}

    std::int64_t count() const { return static_cast<std::int64_t>(count_); }
    std::uint64_t blocks_per_head() const { return blocks_per_head_; }
    KOKKOS_INLINE_FUNCTION VectorBlock block(std::int64_t index) const {
        auto const at = static_cast<std::uint64_t>(index);
        auto const group = at / blocks_per_head_;
        auto const token = at % blocks_per_head_ * tokens_per_block_;
        auto const left = tokens_ - token;
        return {group / heads_, group % heads_, token, left < tokens_per_block_ ? left : tokens_per_block_};
    }

  private:
    std::uint64_t heads_;
    std::uint64_t tokens_;
    std::uint64_t tokens_per_block_;
    std::uint64_t blocks_per_head_;
    std::uint64_t count_;
};

/// Tokens in a block of about block_values values.
inline std::uint64_t tokens_per_block(std::uint64_t dim) {
    return dim == 0 || dim >= block_values ? 1 : block_values / dim;
}

}  // namespace kvstone
