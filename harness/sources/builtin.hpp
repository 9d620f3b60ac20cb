#pragma once

#include <string>

namespace kvstone {

/// Path of a file or folder that ships with KVstone: "tiny" is its model, "builtin" its text, "words" the words of that
/// text, "library" the folder of its scenarios, "data" the list of files for ./dev data, "known_models" the list of
/// models whose caches are known, "python" the folder of kvstone_codec.py. It is searched as shipped_file() does; empty where
/// it is not found, or the name is unknown.
std::string builtin_path(std::string const& name);

}  // namespace kvstone
