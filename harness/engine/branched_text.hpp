#pragma once
// Texts that begin alike, and how they are read together: what they share once, and several of them in one step.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "harness/engine/engine.hpp"

namespace kvstone {

/// One text a branch: the trunk's tokens and then its own, at least one. Its last token is scored but never fed.
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
    /// Tokens that are fed: the trunk's once, and each branch's but its last.
    std::uint64_t fed_tokens() const;
};
/// Of texts, what they begin with alike becomes the trunk; at least the last token of each stays its own. `scored_from` is
/// each text's. Requires texts of at least two tokens.
BranchedText branched(std::vector<std::vector<Token>> const& texts, std::vector<std::uint64_t> const& scored_from);

/// Takes the logits of what follows token `index` of a branch of a text; they go when the call returns.
using BranchSink =
    std::function<void(std::size_t text, std::size_t branch, std::uint64_t index, std::span<float const> logits)>;

/// A token of one branch, or of the trunk of several that follow one another.
struct BranchToken {
    Token token = 0;
    std::uint64_t index = 0;  ///< in its text
    std::size_t text = 0;
    std::size_t first_branch = 0;
    std::size_t branches = 0;
    std::uint64_t first_sequence = 0;  ///< of the first branch; the others' follow
    bool scored = false;               ///< what follows is a scored token of one of the branches
};
/// Texts, or branches of one, that are read in one go.
struct BranchGroup {
    std::vector<BranchToken> tokens;
    std::uint64_t sequences = 0;
};
/// In the order of the texts, as many in a group as have at most `tokens` tokens and `sequences` branches together; a longer
/// text is a group of its own, and one of more branches several, each with the trunk.
std::vector<BranchGroup> group_branches(std::span<BranchedText const> texts, std::uint64_t tokens,
                                        std::uint64_t sequences);

}  // namespace kvstone
