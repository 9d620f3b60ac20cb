#pragma once
// Small questions about texts and text files.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstone {

/// Offset of the first byte that is a NUL or no UTF-8, or npos.
std::size_t first_unreadable(std::string_view text);

/// The text as errors show it: at most 80 characters, without control characters.
std::string excerpt(std::string_view text);

/// A number of bytes for people: "1.25 GiB", "17.00 MiB", "0.5 KiB".
std::string size_text(std::uint64_t bytes);

/// The text without UTF-8's byte-order mark, which some editors put before it.
std::string_view without_byte_order_mark(std::string_view text);
/// Whether a text begins with the byte-order mark of UTF-16.
bool is_utf16(std::string_view text);

/// Content of a regular file of at most a megabyte. Throws ConfigError.
std::string read_small_file(std::string const& path);

}  // namespace kvstone
