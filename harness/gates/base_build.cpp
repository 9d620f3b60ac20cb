#include "harness/gates/base_build.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>

#include <fmt/format.h>

#include "harness/attempts/shell_word.hpp"
#include "harness/gates/shell_output.hpp"
#include "results/record/file_lock.hpp"
#include "scenarios/cache_folder.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// One gate at a time makes and builds a tree, where the file system has locks.
std::optional<FileLock> locked(std::string const& path) {
    try {
        return FileLock::exclusive(path);
    } catch (SystemError const& error) {
        fmt::print(stderr, "{}: no other process may build this base meanwhile\n", error.what());
        return std::nullopt;
    }
}

/// Whether a tree is whole: its mark, which is written last, names the commit, and so does git.
bool is_whole(std::string const& tree, std::string const& mark, std::string const& commit) {
    std::ifstream file(mark);
    std::string marked;
    if (!std::getline(file, marked) || marked != commit) return false;
    auto const head = shell_output("git -C " + shell_word(tree) + " rev-parse HEAD 2>/dev/null");
    return head.text == commit && head.status == 0;
}

void expect_build(std::string const& command, std::string const& program) {
    if (command.empty() || program.empty())
        throw ConfigError("the policy does not say how to build a commit", "build",
                          {"build: {command: TEXT, program: TEXT}"});
}

}  // namespace

void make_work_tree(std::string const& tree, std::string const& mark, std::string const& commit) {
    std::filesystem::remove(mark);
    std::filesystem::remove_all(tree);
    // Forced twice: git keeps a tree locked while it makes it, and so for ever where it was killed. The user's hooks are
    // about the user's own checkouts.
    auto const made = shell_output(
        "git worktree prune && git -c core.hooksPath=/dev/null worktree add --quiet --force --force --detach " +
        shell_word(tree) + ' ' + commit + " >&2");
    if (made.status != 0) throw SystemError("git worktree failed for " + commit);
    std::ofstream file(mark);
    file << commit << '\n';
    file.close();
    if (!file) throw SystemError(mark, errno);
}

std::string build_in(std::string const& tree, std::string const& command, std::string const& program) {
    expect_build(command, program);
    if (shell_output("cd " + shell_word(tree) + " && { " + command + "; } >&2").status != 0)
        throw SystemError(fmt::format("'{}' failed in {}", command, tree));
    auto const told = shell_output("cd " + shell_word(tree) + " && { " + program + "; }");
    if (told.status != 0 || told.text.empty())
        throw SystemError(fmt::format("'{}' told no program in {}", program, tree));
    return (std::filesystem::path(tree) / told.text).string();
}

std::string build_of_commit(std::string const& commit, std::string const& command, std::string const& program) {
    expect_build(command, program);
    auto const bases = cache_folder("bases");
    if (bases.empty()) throw ConfigError("a base is built in the cache folder: set XDG_CACHE_HOME or HOME", commit);
    auto const tree = (std::filesystem::path(bases) / commit).string();
    auto const mark = tree + ".whole";
    std::filesystem::create_directories(bases);
    auto const lock = locked(tree + ".lock");
    if (!is_whole(tree, mark, commit)) make_work_tree(tree, mark, commit);
    return build_in(tree, command, program);
}

std::string build_of_merge_base(std::string const& reference, std::string const& command, std::string const& program) {
    expect_build(command, program);
    auto const commit = shell_output("git merge-base HEAD " + shell_word(reference));
    if (commit.status != 0 || commit.text.empty())
        throw ConfigError("--base-ref has no commit in common with HEAD", reference);
    return build_of_commit(commit.text, command, program);
}

}  // namespace kvstone
