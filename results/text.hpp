#pragma once
// Text as terminals and SQLite want it.

#include <cstddef>
#include <string>
#include <string_view>

namespace kvstone {

/// The text with every byte that is not part of valid UTF-8, and every NUL, replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

/// Columns a terminal needs for valid UTF-8: combining marks take none, East Asian wide characters and emoji two.
std::size_t display_width(std::string_view text);

/// 16 hexadecimal digits: XXH3-64 of the text.
std::string hash_text(std::string_view text);

}  // namespace kvstone
