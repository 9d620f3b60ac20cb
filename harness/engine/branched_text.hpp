#pragma once
// Texts that begin alike, and how they are read together: the common beginning once, and several of them in one step.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "harness/engine/engine.hpp"

namespace kvstone {

/// Texts with a common trunk, one per branch: the trunk's tokens and then the branch's own, at least one. A branch's
/// last token is scored but never fed.
struct BranchedText {
    struct Branch {
        std::vector<Token> tokens;
        std::uint64_t scored_from = 1;  ///< index, over trunk and branch, of the first scored token; at least 1
    };
    std::vector<Token> trunk;
    std::vector<Branch> branches;

    Token token(std::size_t branch, std::uint64_t index) const;
    std::uint64_t size(std::size_t branch) const { return trunk.size() + branches[branch].tokens.size(); }
    std::vector<Token> text(std::size_t branch) const;
    /// Tokens that are fed: the trunk's once, and each branch's except its last.
    std::uint64_t fed_tokens() const;
};
/// Makes the common beginning of texts the trunk; at least the last token of each text stays its own. `scored_from` has
/// each text's index. Requires texts of at least two tokens.
BranchedText branched(std::vector<std::vector<Token>> const& texts, std::vector<std::uint64_t> const& scored_from);

/// Takes the logits behind token `index` of a branch of a text; they are valid during the call.
using BranchSink =
    std::function<void(std::size_t text, std::size_t branch, std::uint64_t index, std::span<float const> logits)>;

/// A token of one branch, or of the trunk of several branches that follow one another.
struct BranchToken {
    Token token = 0;
    std::uint64_t index = 0;  ///< in its text
    std::size_t text = 0;
    std::size_t first_branch = 0;
    std::size_t branches = 0;
    std::uint64_t first_sequence = 0;  ///< of the first branch; the others follow it
    bool scored = false;               ///< the next token is a scored one in a branch
};
/// Texts, or branches of one text, that are read in one go.
struct BranchGroup {
    std::vector<BranchToken> tokens;
    std::uint64_t sequences = 0;
};
/// Groups in the order of the texts, with at most `tokens` tokens and `sequences` branches together; a longer text is a
/// group of its own, and a text with more branches makes several groups, each with the trunk.
std::vector<BranchGroup> group_branches(std::span<BranchedText const> texts, std::uint64_t tokens,
                                        std::uint64_t sequences);

}  // namespace kvstone
