#pragma once
// Texts with a scored part, cut into tokens so that many of them continue one compressed beginning.

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

/// `context` + `continuation` as one text. The scored tokens are those with characters of the continuation: where the
/// context by itself is cut into the same tokens, the tokens behind it; where the context's end and the continuation's
/// beginning became one token, also that one. Throws ConfigError, naming `what`, where the vocabulary cannot spell the
/// text or no token is scored.
ScoredText scored_text(Engine const& engine, std::string const& context, std::string const& continuation,
                       std::string const& what);

/// How many tokens of the `prefix` begin every text, with at least one left between them and the scored tokens.
std::uint64_t shared_tokens(std::span<Token const> prefix, std::span<ScoredText const> texts);

}  // namespace kvstone
