#pragma once
// Which tokens of a prompt stay in a cache, as a codec's stage `keep` decides it (stages/keep.cpp has its options).

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"
#include "codecs/rope.hpp"

namespace kvstone {

/// Where the same tokens stay: in each KV head by itself, in all heads of a layer, or in all heads of all layers.
enum class SameTokens : std::uint8_t { head, layer, all };

/// The tokens that stay. All heads of a layer keep as many.
class Selection {
  public:
    /// `lists`: token indices in rising order, one list for each [layer, head], for each layer, or for all, as `same` has
    /// it. Throws std::invalid_argument where there are other lists than that, where one is empty, does not rise or names
    /// a token that is not there, and where heads of a layer keep different numbers.
    Selection(SameTokens same, std::uint64_t layers, std::uint64_t heads, std::uint64_t tokens,
              std::vector<std::vector<std::uint32_t>> lists);

    SameTokens same() const { return same_; }
    std::uint64_t layers() const { return layers_; }
    std::uint64_t heads() const { return heads_; }    ///< KV heads
    std::uint64_t tokens() const { return tokens_; }  ///< of the prompt
    /// Rising token indices.
    std::span<std::uint32_t const> kept(std::uint64_t layer, std::uint64_t head) const;
    std::vector<std::vector<std::uint32_t>> const& lists() const { return lists_; }
    /// Whether all layers keep as many tokens.
    bool same_counts() const;
    /// Kept tokens / tokens, mean over layers and heads.
    double share() const;

    bool operator==(Selection const&) const = default;

  private:
    SameTokens same_;
    std::uint64_t layers_, heads_, tokens_;
    std::vector<std::vector<std::uint32_t>> lists_;
};

/// The tensors that a policy looks at, of a prompt's tokens alone and in host memory. Token t is at position t.
struct SelectionTensors {
    KvView k;                      ///< [layer, KV head, token, dim], after RoPE
    KvView v;                      ///< likewise; of latent attention the latent
    std::optional<KvView> q = {};  ///< [layer, query head, token, dim], after RoPE: a query for every token
    Rope const* rope = nullptr;    ///< of K and Q
    std::uint64_t query_dim = 0;   ///< logits are divided by its square root; 0: dim of K
};

/// Whether the stage's policy looks at queries, or needs to know the rotary embedding.
bool needs_queries(StageText const& keep);
bool needs_rope(StageText const& keep);
/// Where the stage keeps the same tokens. A cache that has one list of tokens for all layers takes `all` alone.
SameTokens same_tokens(StageText const& keep);

/// How many tokens a share of them is: tokens * (1 - (1 - share)) in double precision, cut to a whole number. That is the
/// count of kvpress under compression_ratio = 1 - share, last bits included (.1 of 100 tokens are 9); at least 1.
std::uint64_t kept_count(double share, std::uint64_t tokens);

/// Tokens of a prompt that stay in each layer. Throws NotApplicable where the prompt has no token, or the share is smaller than
/// sink and window together.
std::vector<std::uint64_t> kept_counts(StageText const& keep, std::uint64_t layers, std::uint64_t tokens);

/// Whether the counts follow from the number of tokens alone, and are the same in every layer.
bool keeps_evenly(StageText const& keep);

/// Whether the last token of so many surely goes: of a policy by places, whose window the share leaves no room for.
bool drops_last_token(StageText const& keep, std::uint64_t tokens);

/// The tokens that stay: the first `sink`, the last `window`, and those of the highest scores up to the share; of equal
/// scores the earlier token, a score that is NaN last. Scores are in double precision and added in a fixed order: the
/// number of threads changes nothing. Throws as kept_counts(), NotApplicable where RoPE is needed and not known, and
/// std::invalid_argument where needed tensors are missing.
Selection select_tokens(StageText const& keep, SelectionTensors const& tensors);

}  // namespace kvstone
