#pragma once
// Tokens and keys of a trace's blocks: traces number blocks, caches look up hashes of tokens.

#include <cstdint>
#include <vector>

#include "harness/cache/block_key.hpp"
#include "harness/workloads/prefix_cache/request_trace.hpp"

namespace kvstone {

/// Gives every block random tokens, which depend on its number alone.
class BlockTokens {
  public:
    /// Tokens are below `vocabulary`. REQUIRES: it is not 0.
    BlockTokens(std::uint64_t block_tokens, std::uint64_t vocabulary)
        : block_tokens_(block_tokens), vocabulary_(vocabulary) {}
    /// Appends the block's tokens.
    void append(std::uint64_t block, std::vector<std::uint32_t>& tokens) const;
    /// Tokens of a request, to the end of its last block: a block that is not full has all of its tokens, because it
    /// has a whole entry. Tokens behind the last block that the trace names have no block; they are those of block
    /// `unnamed`.
    std::vector<std::uint32_t> of(RequestTrace const& trace, TraceRequest const& request) const;

  private:
    static constexpr std::uint64_t unnamed = UINT64_MAX;

    std::uint64_t block_tokens_;
    std::uint64_t vocabulary_;
};

/// Keys of a request's entries: chained hashes of its blocks' tokens; with layers, one key for each layer of each
/// block, block by block.
std::vector<BlockKey> request_keys(BlockKey const& root, RequestTrace const& trace, TraceRequest const& request,
                                   BlockTokens const& tokens, std::uint64_t layers);

}  // namespace kvstone
