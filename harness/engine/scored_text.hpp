#pragma once
// Texts of which a part is scored, cut into tokens so that many of them go on from one compressed beginning.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "harness/engine/engine.hpp"

namespace kvstone {

struct ScoredText {
    std::vector<Token> tokens;
    std::uint64_t scored_from = 0;  ///< index of the first scored token
};

/// `context` + `continuation` as one text. Scored are the tokens from the first on in which the continuation has a part:
/// where the context by itself is cut into the same tokens, those behind it; where its end and the continuation's
/// beginning became one token, that one too. Throws ConfigError where the vocabulary cannot spell the text or nothing of
/// it is scored, naming `what`.
ScoredText scored_text(Engine const& engine, std::string const& context, std::string const& continuation,
                       std::string const& what);

/// How many tokens of the `prefix` begin every text, with at least one left between them and the scored tokens.
std::uint64_t shared_tokens(std::span<Token const> prefix, std::span<ScoredText const> texts);

}  // namespace kvstone
