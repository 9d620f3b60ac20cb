#pragma once

#include <string>
#include <string_view>

namespace kvstone {

/// SHA-256 of a regular file's content, 64 hexadecimal digits. Digests of files of 16 MiB and more are remembered in
/// $XDG_CACHE_HOME/kvstone/hashes (see hash_cache.hpp). Throws SystemError where the file cannot be read or changes
/// while it is.
std::string content_hash(std::string const& path);

/// XXH3-64 of a text, 16 hexadecimal digits.
std::string short_hash(std::string_view text);

}  // namespace kvstone
