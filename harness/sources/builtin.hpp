#pragma once

#include <string>

namespace kvstone {

/// Path of a file or folder that ships with KVstone: "tiny" is its model, "builtin" its text, "words" the words of that
/// text, "library" the folder of its scenarios, "data" the list of files for ./dev data, "known_models" the list of
/// models whose caches are known. It is searched in $KVSTONE_DATA, in ../share/kvstone beside the executable, and in
/// the source folder of the build; empty where none of them has it, or the name is unknown.
std::string builtin_path(std::string const& name);

}  // namespace kvstone
