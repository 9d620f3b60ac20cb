#include "harness/engine/branched_text.hpp"

#include <algorithm>

namespace kvstone {
namespace {

/// Some of a text's branches behind its trunk, with sequences from 0 on.
BranchGroup piece_of(BranchedText const& text, std::size_t at, std::size_t first, std::size_t count) {
    BranchGroup piece;
    piece.sequences = count;
    auto const add = [&](Token token, std::uint64_t index, std::size_t branch, std::size_t branches) {
        BranchToken one{token, index, at, branch, branches, branch - first, false};
        for (auto b = branch; b < branch + branches; ++b)
            one.scored = one.scored || index + 1 >= text.branches[b].scored_from;
        piece.tokens.push_back(one);
    };
    for (std::uint64_t i = 0; i < text.trunk.size(); ++i) add(text.trunk[i], i, first, count);
    for (auto branch = first; branch < first + count; ++branch) {
        auto const& tokens = text.branches[branch].tokens;
        for (std::uint64_t i = 0; i + 1 < tokens.size(); ++i) add(tokens[i], text.trunk.size() + i, branch, 1);
    }
    return piece;
}

}  // namespace

Token BranchedText::token(std::size_t branch, std::uint64_t index) const {
    return index < trunk.size() ? trunk[index] : branches[branch].tokens[index - trunk.size()];
}

std::vector<Token> BranchedText::text(std::size_t branch) const {
    auto all = trunk;
    all.insert(all.end(), branches[branch].tokens.begin(), branches[branch].tokens.end());
    return all;
}

std::uint64_t BranchedText::fed_tokens() const {
    auto fed = static_cast<std::uint64_t>(trunk.size());
    for (auto const& branch : branches) fed += branch.tokens.size() - 1;
    return fed;
}

BranchedText branched(std::vector<std::vector<Token>> const& texts, std::vector<std::uint64_t> const& scored_from) {
    BranchedText all;
    auto const& first = texts.front();
    auto shared = first.size() - 1;
    for (auto const& text : texts) {
        shared = std::min(shared, text.size() - 1);
        shared = std::min(shared, static_cast<std::size_t>(std::ranges::mismatch(text, first).in1 - text.begin()));
    }
    auto const middle = static_cast<std::ptrdiff_t>(shared);
    all.trunk.assign(first.begin(), first.begin() + middle);
    for (std::size_t i = 0; i < texts.size(); ++i)
        all.branches.push_back({{texts[i].begin() + middle, texts[i].end()}, scored_from[i]});
    return all;
}

std::vector<BranchGroup> group_branches(std::span<BranchedText const> texts, std::uint64_t tokens,
                                        std::uint64_t sequences) {
    std::vector<BranchGroup> groups;
    auto const append = [&](BranchGroup const& piece) {
        if (groups.empty() || groups.back().tokens.size() + piece.tokens.size() > tokens ||
            groups.back().sequences + piece.sequences > sequences)
            groups.emplace_back();
        auto& group = groups.back();
        for (auto token : piece.tokens) {
            token.first_sequence += group.sequences;
            group.tokens.push_back(token);
        }
        group.sequences += piece.sequences;
    };
    for (std::size_t at = 0; at < texts.size(); ++at) {
        auto const branches = texts[at].branches.size();
        for (std::size_t first = 0; first < branches; first += sequences)
            append(piece_of(texts[at], at, first, std::min<std::size_t>(sequences, branches - first)));
    }
    return groups;
}

}  // namespace kvstone
