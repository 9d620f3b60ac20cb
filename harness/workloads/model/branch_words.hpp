#pragma once
// A model's answers to texts that begin alike: scored tokens only, reduced to one result per branch.

#include <cstdint>
#include <span>
#include <vector>

#include "harness/engine/branched_text.hpp"

namespace kvstone {

/// The result of one branch's scored tokens.
struct BranchWord {
    double log_likelihood = 0;  ///< their sum, nat
    bool greedy = true;         ///< whether each of them was the most likely one
    std::uint64_t lost = 0;     ///< tokens without a finite likelihood
};
/// By text and branch.
using BranchWords = std::vector<std::vector<BranchWord>>;

/// Collects the results. Tokens of a branch must come in their order; tokens of other branches may come between.
class BranchListener {
  public:
    explicit BranchListener(std::span<BranchedText const> texts);
    /// A BranchSink.
    void take(std::size_t text, std::size_t branch, std::uint64_t index, std::span<float const> logits);
    BranchWords const& words() const { return words_; }

  private:
    std::span<BranchedText const> texts_;
    BranchWords words_;
};

/// Feeds each branch by itself through `feed(fed tokens, sink of (index, logits))` to a sink like that of
/// EngineSequence::feed_branches(): for paths whose codec sees the fed tokens.
template <class Feed>
void one_by_one(std::span<BranchedText const> texts, BranchSink const& sink, Feed const& feed) {
    for (std::size_t t = 0; t < texts.size(); ++t) {
        for (std::size_t branch = 0; branch < texts[t].branches.size(); ++branch) {
            auto fed = texts[t].text(branch);
            fed.pop_back();
            feed(fed, [&](std::uint64_t index, std::span<float const> logits) {
                if (index + 1 >= texts[t].branches[branch].scored_from) sink(t, branch, index, logits);
            });
        }
    }
}

/// Compares bit by bit, NaN included.
bool same_words(BranchWords const& a, BranchWords const& b);

/// The number of texts in the first group that EngineSequence::feed_branches() reads.
std::size_t texts_of_first_group(std::span<BranchedText const> texts);

}  // namespace kvstone
