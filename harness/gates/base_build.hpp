#pragma once
// Builds of other commits, in work trees of their own below the cache folder.

#include <string>

namespace kvstone {

/// Makes a work tree of a commit, whatever a maker that was killed has left there. The file `mark` is written last: it
/// tells that the tree is whole. Throws SystemError.
void make_work_tree(std::string const& tree, std::string const& mark, std::string const& commit);

/// Builds a tree: `command` is a shell command that is run in it, and `program` another one that prints the program's
/// path. Returns that path. Throws ConfigError where either is empty, SystemError where building fails.
std::string build_in(std::string const& tree, std::string const& command, std::string const& program);

/// Builds a commit (its full id) in a work tree that is kept by commit. A tree is built again where its first build was
/// killed. Throws as build_in(), and ConfigError where there is no cache folder.
std::string build_of_commit(std::string const& commit, std::string const& command, std::string const& program);

/// The same for the merge base of `reference` and HEAD. Throws ConfigError where there is none, too.
std::string build_of_merge_base(std::string const& reference, std::string const& command, std::string const& program);

}  // namespace kvstone
