#pragma once
// A codec bound to a tensor that grows: what serving appends to, token by token.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "codecs/container/tensor_codec.hpp"

namespace kvstone {

/// K or V of one sequence. Whatever the chunks in which tokens come, the sealed container is that of TensorCodec for the
/// same tokens, byte for byte.
///
/// A token is coded as soon as nothing that follows can change what becomes of it: it has left every window, and its page
/// is full. Pages are of the codec's own size (1 for scales per token, the group for groups of tokens); what codes whole
/// sections (a scale per tensor, a mean, an entropy stage) never gets there. The others are held as they came: the window,
/// the page that is open, and everything for codecs of whole sections. Coded tokens are never touched again.
///
/// Memory grows by blocks of one storage page of all layers and heads; appending to an open block allocates nothing, and
/// nothing moves. Appending one token costs the same whatever came before.
class TokenStream {
  public:
    /// `shape.tokens` is not looked at. `page` is the least number of tokens of a block; blocks hold whole pages of the
    /// codec. `rope` as for TensorCodec. Throws ConfigError where the codec's options do not fit the shape.
    TokenStream(Codec const& codec, Component component, KvShape const& shape, ElementType type, BackendKind backend,
                std::uint64_t page = 16, Rope const* rope = nullptr);
    ~TokenStream();
    TokenStream(TokenStream&&) noexcept;

    /// Takes the tokens of a view of any length, layers, heads, dim and type being the stream's. The view may go once the
    /// backend has been fenced.
    void append(KvView const& tokens);
    std::uint64_t tokens() const;
    /// How many tokens from the first on are coded in all layers and heads: their decoded values never change again.
    std::uint64_t settled_tokens() const;
    /// From this token on all are held as they came, in all layers and heads.
    std::uint64_t held_from() const;
    /// Vectors (of a token in one layer and head) that are coded, those left out that a rule for sinks or a window keeps as
    /// plain numbers.
    std::uint64_t coded_vectors() const;

    /// The values that TensorCodec decodes from all of these tokens. Codes the held tokens for that, each time. Throws
    /// as TensorCodec::decode().
    void decode(KvView const& tensor) const;
    /// Reads `view.shape.tokens` tokens back from `first` on, as attention does: those that are coded decoded, those that
    /// are held as they came. Whole blocks are decoded where they lie. Throws as TensorCodec::decode().
    void decode_pages(std::uint64_t first, KvView const& view, DecodeFor purpose = DecodeFor::checking) const;
    /// As TensorCodec's of the tokens so far; tokens that are held are coded for it, and stay held.
    std::vector<std::byte> seal() const;
    /// Of the sealed container; the workspace is the stream's own.
    ByteLedger ledger() const;
    /// The tokens that lie in one block with `token`, which may be yet to come; of parts with blocks of several sizes the
    /// largest. Whole blocks are what decode_pages() reads best, and what takes as many steps until all work has been done
    /// once.
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
