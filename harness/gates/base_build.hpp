#pragma once

#include <string>

namespace kvstone {

/// Builds the merge base of `reference` and HEAD in a work tree of its own, below the cache folder and kept there by
/// commit, and returns the program. A tree is built again where its first build was killed. `command` is a shell
/// command that is run in that tree; `program` is another one that prints the program's path. Throws ConfigError where
/// either is empty or the commit is unknown, SystemError where building fails.
std::string build_of_merge_base(std::string const& reference, std::string const& command, std::string const& program);

}  // namespace kvstone
