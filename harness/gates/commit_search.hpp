#pragma once
// The search for the first bad commit by `git bisect`, in a work tree of its own: the user's checkout, and a bisection
// of the user's, stay as they are.

#include <string>
#include <vector>

#include "scenarios/json.hpp"

namespace kvstone {

/// The answer about a commit, as `git bisect` takes it.
enum class CommitJudgement : std::uint8_t { good, bad, skip };
std::string name_of(CommitJudgement judgement);

/// The id of the commit that a word means in the repository of the current folder; empty where it means none.
std::string commit_meant(std::string const& word);

/// Its state is in `folder`: `tree`, a work tree in which git bisects, and `state.json`, which is whole after every
/// answer. Made again with the same arguments, it goes on where it was killed. Git's marks are made from the state.
class CommitSearch {
  public:
    /// `good` and `bad` are full ids, the first an ancestor of the second. Throws ConfigError where another search is at
    /// work in this folder, SystemError where git fails.
    CommitSearch(std::string folder, std::string good, std::string bad);

    std::string const& tree() const { return tree_; }
    /// Facts of the caller that are kept with the answers; save() writes them.
    Json& facts() { return state_["facts"]; }
    Json const& answers() const { return state_["commits"]; }  ///< [{commit, judgement, ...}], in order
    void save() const;

    /// The commit that git wants to know about; empty where the search has ended.
    std::string next() const;
    /// Puts the tree at a commit; files that git does not know stay, such as those of a build.
    void check_out(std::string const& commit) const;
    /// Keeps an answer about a commit; `facts` are stored with it.
    void answer(std::string const& commit, CommitJudgement judgement, Json facts);
    /// The first bad commit, and before it commits that were skipped and may be it as well.
    std::vector<std::string> candidates() const;
    /// Removes the work tree. The answers stay.
    void remove_tree() const;

  private:
    std::string git(std::string const& arguments) const;
    void mark(std::string const& commit, std::string const& judgement) const;

    std::string folder_, tree_, good_, bad_;
    Json state_;
};

}  // namespace kvstone
