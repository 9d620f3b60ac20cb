#pragma once
// From logits over a vocabulary to the score of one token.

#include <cstdint>
#include <span>

#include "harness/engine/engine.hpp"

namespace kvstone {

/// The kind of a token by its text. Rare: none of the others, and only once in all passages.
enum class TokenKind : std::uint8_t { other, digits, punctuation, rare };

/// The score of one token: the one at `position`, predicted by the logits of the one before it.
struct TokenScore {
    std::uint64_t position = 0;
    double nll = 0;           ///< -log of its probability, nat
    double baseline_nll = 0;  ///< the same from the uncompressed cache
    double kld = 0;           ///< KL(uncompressed || compressed) of the whole distribution, nat
    bool same_top = false;    ///< the most likely token is the same
    bool top = false;         ///< the scored token is the most likely one
    bool baseline_top = false;
    double baseline_top_probability = 0;  ///< of the most likely token, from the uncompressed cache
    TokenKind kind = TokenKind::other;
    double read_fraction = 0;  ///< share of the K and V read, see CodecPath
};

/// The sum of one distribution.
struct LogitSum {
    double log_sum = 0;  ///< log of the sum of exp(logit); NaN where a logit is NaN or the largest is infinite
    Token top = 0;       ///< the first of the most likely tokens
};
/// In double precision, in vectors; the sum is taken in one order everywhere.
LogitSum sum_logits(std::span<float const> logits);

/// Compares two distributions over a vocabulary, given by logits, and scores the actual token. Equal logits have a KLD
/// of exactly 0. Requires as many logits in both.
TokenScore compare_logits(std::span<float const> baseline, std::span<float const> logits, Token token);
/// log p(token) under logits, nat.
double log_probability(std::span<float const> logits, Token token);
/// The first of the most likely tokens.
Token most_likely(std::span<float const> logits);

}  // namespace kvstone
