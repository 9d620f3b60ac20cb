#include "harness/gates/base_build.hpp"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include <fmt/format.h>
#include <sys/wait.h>

#include "harness/attempts/shell_word.hpp"
#include "results/record/file_lock.hpp"
#include "scenarios/cache_folder.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Standard output of a shell command, without its last line end. Standard error is the caller's.
std::string output_of(std::string const& command, int& status) {
    std::FILE* const pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) throw SystemError("cannot start a shell", errno);
    std::string output;
    for (int c = 0; (c = std::fgetc(pipe)) != EOF;) output += static_cast<char>(c);
    status = pclose(pipe);
    while (output.ends_with('\n')) output.pop_back();
    return output;
}

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
    int status = 0;
    return output_of("git -C " + shell_word(tree) + " rev-parse HEAD 2>/dev/null", status) == commit && status == 0;
}

/// Makes a work tree, whatever a maker that was killed has left there.
void make_tree(std::string const& tree, std::string const& mark, std::string const& commit) {
    std::filesystem::remove(mark);
    std::filesystem::remove_all(tree);
    int status = 0;
    // Forced twice: git keeps a tree locked while it makes it, and so for ever where it was killed.
    output_of(
        "git worktree prune && git worktree add --force --force --detach " + shell_word(tree) + ' ' + commit + " >&2",
        status);
    if (status != 0) throw SystemError("git worktree failed for " + commit);
    std::ofstream file(mark);
    file << commit << '\n';
    file.close();
    if (!file) throw SystemError(mark, errno);
}

}  // namespace

std::string build_of_merge_base(std::string const& reference, std::string const& command, std::string const& program) {
    if (command.empty() || program.empty())
        throw ConfigError("the policy does not say how to build a base", "build",
                          {"build: {command: TEXT, program: TEXT}"});
    int status = 0;
    auto const commit = output_of("git merge-base HEAD " + shell_word(reference), status);
    if (status != 0 || commit.empty()) throw ConfigError("--base-ref has no commit in common with HEAD", reference);
    auto const bases = cache_folder("bases");
    if (bases.empty()) throw ConfigError("a base is built in the cache folder: set XDG_CACHE_HOME or HOME", reference);
    auto const tree = (std::filesystem::path(bases) / commit).string();
    auto const mark = tree + ".whole";
    std::filesystem::create_directories(bases);
    auto const lock = locked(tree + ".lock");
    if (!is_whole(tree, mark, commit)) make_tree(tree, mark, commit);
    output_of("cd " + shell_word(tree) + " && { " + command + "; } >&2", status);
    if (status != 0) throw SystemError(fmt::format("'{}' failed in {}", command, tree));
    auto const path = output_of("cd " + shell_word(tree) + " && { " + program + "; }", status);
    if (status != 0 || path.empty()) throw SystemError(fmt::format("'{}' told no program in {}", program, tree));
    return (std::filesystem::path(tree) / path).string();
}

}  // namespace kvstone
