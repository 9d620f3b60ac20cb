#pragma once

#include <string>

namespace kvstone {

/// Path of a file or folder that ships with KVstone: "tiny" is its model, "builtin" its text, "words" the words of that
/// text, "library" the folder of its scenarios, "data" the list of what ./dev data fetches, "known_models" that of models
/// whose caches are known. Looked for in $KVSTONE_DATA, in ../share/kvstone beside the executable, and in the source folder
/// of the build; empty where it is in none of them, or nothing has that name.
std::string builtin_path(std::string const& name);

}  // namespace kvstone
