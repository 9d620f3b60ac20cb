#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace kvstone {

/// SHA-256 of a regular file's content, 64 hexadecimal digits. Digests of files of 16 MiB and more are remembered in
/// $XDG_CACHE_HOME/kvstone/hashes (see hash_cache.hpp). Throws SystemError where the file cannot be read or changes
/// while it is read.
std::string content_hash(std::string const& path);

/// SHA-256 of a text, 64 hexadecimal digits.
std::string sha256_of(std::string_view text);
/// SHA-256 of bytes, as bytes.
std::array<std::uint8_t, 32> sha256_bytes_of(std::span<std::byte const> data);

/// SHA-256 of all files that are read where a file is named: content_hash() of the file; where a GGUF model is split
/// (see gguf_shards.hpp), SHA-256 of its shards' digests, one a line, as of
///     sha256sum NAME-*-of-00003.gguf | cut -c1-64 | sha256sum
/// and likewise of an index of safetensors and its shards, the index first.
/// Throws SystemError, with the shard's path where one cannot be read.
std::string named_hash(std::string const& path);

/// XXH3-64 of a text, 16 hexadecimal digits.
std::string short_hash(std::string_view text);

}  // namespace kvstone
