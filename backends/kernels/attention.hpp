#pragma once
// Attention over a cache and over what a codec made of it, both at once: every key and value is read one time, and no
// memory grows with the context.
//
// For one query q at token n, keys k and values v of tokens t <= n (causal), and k', v' as decoded:
//   logits       l(t) = scale q.k(t),  l'(t) = scale q.k'(t)
//   weights      p = softmax(l),  p' = softmax(l')
//   output       o = sum p(t) v(t),  o' = sum p'(t) v'(t)
//   divergence   KL(p || p') = sum p(t) log(p(t) / p'(t)) = sum p (l - l') + (m' - m) + log(Z' / Z)
// with m the largest logit and Z = sum exp(l - m). As blocks of tokens pass, sums relative to the largest logit so far
// are scaled down whenever a larger one comes (online softmax: Milakov and Gimelshein 2018, arXiv:1805.02867), so that no
// logit is too large. All arithmetic is in double precision; weights that values are multiplied by have 29 bits or more.
//
// Where a codec drops tokens, p'(t) is 0 of those, the softmax l' runs over the others, and the divergence is infinite.

#include <cstdint>

#include "backends/function.hpp"
#include "backends/kv_view.hpp"

namespace kvstone {

/// How many of the most attended tokens are compared.
inline constexpr std::uint64_t top_tokens = 8;

/// The compared tensors. Query heads [g * G, (g + 1) * G) attend to KV head g, where G = q.shape.heads / k.shape.heads. All
/// memory is the backend's.
struct AttentionTensors {
    KvView q;                                     ///< [layer, query head, query, dim]
    std::uint64_t const* last_visible = nullptr;  ///< [query]: sees tokens 0 to this one; fastest where they rise
    KvView k, v, k_decoded, v_decoded;            ///< [layer, KV head, token, dim]; V may have a dim of its own
    double scale = 1;                             ///< of logits: 1 / sqrt(dim) as a rule
    /// [layer, KV head, token of K]: 0 where the token is dropped, else 1; null: all stay. Every query sees one that stays.
    /// What is decoded of dropped tokens is finite, and changes nothing.
    std::uint8_t const* stays = nullptr;

    /// `stays` of one KV head.
    KVSTONE_FUNCTION std::uint8_t const* stays_of(std::uint64_t layer, std::uint64_t head) const {
        return stays == nullptr ? nullptr : stays + (layer * k.shape.heads + head) * k.shape.tokens;
    }

    std::uint64_t queries() const { return q.shape.vectors(); }
};

/// What one query of one head finds.
struct QueryComparison {
    double tokens = 0;                ///< visible
    double logit_squares = 0;         ///< sum over tokens of (l - mean of l)^2
    double logit_error_squares = 0;   ///< sum over tokens that stay of (l' - l)^2
    double kl = 0;                    ///< nats, never below zero; infinite where a visible token is dropped
    double output_squares = 0;        ///< |o|^2
    double output_error_squares = 0;  ///< |o' - o|^2
    double top_shared = 0;            ///< share of the top_tokens (or all, where fewer) tokens that are so under both
    double tokens_dropped = 0;        ///< of the visible ones
    double mass_kept = 1;             ///< sum of p over those that stay

    bool operator==(QueryComparison const&) const = default;
};

/// How many of the tokens [0, count) are dropped; null: all stay.
KVSTONE_FUNCTION inline double count_dropped(std::uint8_t const* stays, std::uint64_t count) {
    std::uint64_t dropped = 0;
    for (std::uint64_t t = 0; stays != nullptr && t < count; ++t) dropped += stays[t] == 0 ? 1 : 0;
    return static_cast<double>(dropped);
}

/// The tokens of the largest logits so far, largest first; of equal ones the earlier token.
struct TopTokens {
    double logits[top_tokens];
    std::uint64_t tokens[top_tokens];
    std::uint64_t count = 0;

    KVSTONE_FUNCTION inline bool takes(double logit) const {
        return count < top_tokens || logit > logits[top_tokens - 1];
    }
    /// Requires takes(logit) and tokens in rising order.
    KVSTONE_FUNCTION inline void insert(double logit, std::uint64_t token) {
        std::uint64_t place = count < top_tokens ? count++ : top_tokens - 1;
        for (; place > 0 && logit > logits[place - 1]; --place) {
            logits[place] = logits[place - 1];
            tokens[place] = tokens[place - 1];
        }
        logits[place] = logit;
        tokens[place] = token;
    }
    KVSTONE_FUNCTION inline double shared_with(TopTokens const& other) const {
        std::uint64_t shared = 0;
        for (std::uint64_t i = 0; i < count; ++i)
            for (std::uint64_t j = 0; j < other.count; ++j) shared += tokens[i] == other.tokens[j] ? 1 : 0;
        return count == 0 ? 1.0 : static_cast<double>(shared) / static_cast<double>(count);
    }
};

}  // namespace kvstone
