#include "harness/gates/commit_search.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "harness/attempts/shell_word.hpp"
#include "harness/files/replace_file.hpp"
#include "harness/gates/base_build.hpp"
#include "harness/gates/shell_output.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Git in a folder, without hooks: they are about the user's own checkouts. An alias of git would name that checkout.
std::string git_in(std::string const& folder) {
    return "env -u GIT_DIR -u GIT_WORK_TREE -u GIT_INDEX_FILE git -C " + shell_word(folder) +
           " -c core.hooksPath=/dev/null ";
}

Json read_state(std::string const& file) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return parse_json_or_discard(text.str());
}

}  // namespace

std::string name_of(CommitJudgement judgement) {
    return judgement == CommitJudgement::good ? "good" : judgement == CommitJudgement::bad ? "bad" : "skip";
}

std::string commit_meant(std::string const& word) {
    auto const found = shell_output("git rev-parse --verify --quiet --end-of-options " +
                                    shell_word(word + "^{commit}") + " 2>/dev/null");
    return found.status == 0 ? found.text : "";
}

CommitSearch::CommitSearch(std::string folder, std::string good, std::string bad)
    : folder_(std::move(folder)), tree_(folder_ + "/tree"), good_(std::move(good)), bad_(std::move(bad)) {
    std::filesystem::create_directories(folder_);
    state_ = read_state(folder_ + "/state.json");
    if (!state_.is_object() || state_.value("good", "") != good_ || state_.value("bad", "") != bad_)
        state_ = {{"good", good_}, {"bad", bad_}, {"commits", Json::array()}, {"facts", Json::object()}};
    auto const mark_file = folder_ + "/tree.whole";
    bool const whole =
        std::filesystem::exists(mark_file) && shell_output(git_in(tree_) + "rev-parse HEAD 2>/dev/null").status == 0;
    if (!whole) make_work_tree(tree_, mark_file, bad_);
    shell_output(git_in(tree_) + "bisect reset >/dev/null 2>&1");
    git("bisect start --no-checkout " + bad_ + ' ' + good_);
    for (auto const& commit : answers())
        mark(commit.at("commit").get<std::string>(), commit.at("judgement").get<std::string>());
}

void CommitSearch::save() const {
    auto const text = state_.dump(2) + '\n';
    replace_file(folder_ + "/state.json", {std::as_bytes(std::span(text))});
}

std::string CommitSearch::git(std::string const& arguments) const {
    auto const output = shell_output(git_in(tree_) + arguments + " 2>&1");
    if (output.status != 0) throw SystemError(fmt::format("git {} failed: {}", arguments, output.text));
    return output.text;
}

/// Git ends with 2 where only skipped commits are left: candidates() tells that.
void CommitSearch::mark(std::string const& commit, std::string const& judgement) const {
    shell_output(git_in(tree_) + "bisect " + judgement + ' ' + commit + " >/dev/null 2>&1");
}

std::string CommitSearch::next() const {
    auto const left = candidates();
    auto const answered = [&](std::string const& commit) {
        return std::ranges::any_of(answers(), [&](Json const& answer) { return answer.at("commit") == commit; });
    };
    if (std::ranges::all_of(left, [&](auto const& commit) { return commit == left.back() || answered(commit); }))
        return "";
    auto const wanted = git("rev-parse --verify BISECT_HEAD");
    // Git wants an answer again where it did not take the one it got.
    if (answered(wanted)) throw SystemError("git bisect does not go on after " + wanted);
    return wanted;
}

void CommitSearch::check_out(std::string const& commit) const { git("checkout --quiet --force --detach " + commit); }

void CommitSearch::answer(std::string const& commit, CommitJudgement judgement, Json facts) {
    facts["commit"] = commit;
    facts["judgement"] = name_of(judgement);
    state_["commits"].push_back(std::move(facts));
    save();
    mark(commit, name_of(judgement));
}

std::vector<std::string> CommitSearch::candidates() const {
    auto bad = bad_;
    std::string goods = ' ' + good_;
    for (auto const& answer : answers()) {
        auto const commit = answer.at("commit").get<std::string>();
        if (answer.at("judgement") == "bad") bad = commit;
        if (answer.at("judgement") == "good") goods += ' ' + commit;
    }
    std::istringstream lines(git("rev-list --topo-order --reverse " + bad + " --not" + goods));
    std::vector<std::string> commits;
    for (std::string line; std::getline(lines, line);) commits.push_back(line);
    return commits;
}

void CommitSearch::remove_tree() const {
    std::filesystem::remove(folder_ + "/tree.whole");
    shell_output("git worktree remove --force --force " + shell_word(tree_) + " >/dev/null 2>&1");
}

}  // namespace kvstone
