#pragma once
// A codec bound to a tensor that grows: serving appends to it, token by token.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "codecs/container/tensor_codec.hpp"

namespace kvstone {

/// K or V of one sequence. Whatever the chunks in which tokens come, the sealed container is that of TensorCodec for the
/// same tokens, byte for byte.
///
/// A token is coded as soon as no later token can change its stored bytes: it has left every window, and its page is
/// full. Pages are of the codec's own size (1 for scales per token, the group for groups of tokens); codecs of whole
/// sections (a scale per tensor, a mean, an entropy stage) never code a token. The others are held as they came: the
/// window, the open page, and every token of codecs of whole sections. Coded tokens are never touched again.
///
/// Memory grows by blocks of one storage page of all layers and heads; appending to an open block allocates nothing, and
/// nothing moves. Appending one token costs the same however many came before.
class TokenStream {
  public:
    /// `shape.tokens` is ignored. `page` is the least number of tokens of a block; blocks hold whole pages of the
    /// codec. `rope` as for TensorCodec. Throws ConfigError where the codec's options do not fit the shape.
    TokenStream(Codec const& codec, Component component, KvShape const& shape, ElementType type, BackendKind backend,
                std::uint64_t page = 16, Rope const* rope = nullptr);
    ~TokenStream();
    TokenStream(TokenStream&&) noexcept;

    /// Appends the tokens of a view of any length; layers, heads, dim and type are the stream's. The view may be freed
    /// once the backend has been fenced.
    void append(KvView const& tokens);
    std::uint64_t tokens() const;
    /// How many tokens from the first on are coded in all layers and heads: their decoded values never change again.
    std::uint64_t settled_tokens() const;
    /// The first token from which on all tokens are held as they came, in all layers and heads.
    std::uint64_t held_from() const;
    /// Number of coded vectors (of a token in one layer and head), without those that a rule for sinks or a window
    /// stores as plain numbers.
    std::uint64_t coded_vectors() const;

    /// The values that TensorCodec decodes from all of these tokens. Codes the held tokens each time it is called.
    /// Throws as TensorCodec::decode().
    void decode(KvView const& tensor) const;
    /// Reads `view.shape.tokens` tokens back from `first` on, as attention does: coded tokens are decoded, held ones
    /// copied. Whole blocks are decoded where they lie. Throws as TensorCodec::decode().
    void decode_pages(std::uint64_t first, KvView const& view, DecodeFor purpose = DecodeFor::checking) const;
    /// As TensorCodec::seal() of the tokens so far; held tokens are coded for it, and stay held.
    std::vector<std::byte> seal() const;
    /// Bytes of the sealed container; the workspace is the stream's own.
    ByteLedger ledger() const;
    /// The tokens that lie in one block with `token`, which may not have come yet; where parts have blocks of several
    /// sizes, the largest block. decode_pages() is fastest on whole blocks, and one block of steps does all kinds of
    /// work once.
    struct Block {
        std::uint64_t first = 0;
        std::uint64_t tokens = 0;
    };
    Block block_of(std::uint64_t token) const;
    /// Memory that the tokens take now: blocks, whether full or not, and tokens held as they came.
    std::size_t held_bytes() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
