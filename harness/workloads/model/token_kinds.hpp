#pragma once
// Kinds of tokens whose scores are told apart.

#include <string_view>
#include <vector>

#include "harness/engine/passages.hpp"
#include "harness/workloads/model/token_score.hpp"

namespace kvstone {

/// By the token's text without the white space around it: digits alone; no letter, digit or character beyond ASCII; else other.
TokenKind kind_of_text(std::string_view text);

/// The kind of each token of the vocabulary that these passages have.
class TokenKinds {
  public:
    TokenKinds(Engine const& engine, std::vector<Passage> const& passages);
    TokenKind of(Token token) const { return kinds_[static_cast<std::size_t>(token)]; }

  private:
    std::vector<TokenKind> kinds_;
};

}  // namespace kvstone
