#pragma once
// Text as terminals and SQLite want it.

#include <cstddef>
#include <string>
#include <string_view>

namespace kvstone {

/// The text with every byte that is not part of valid UTF-8, and every NUL, replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

/// The text, made valid, as an attribute or content of XML 1.0, which has no control characters but tabs and line ends.
std::string xml_text(std::string_view text);

/// Columns a terminal needs for valid UTF-8: combining marks and commands for colours (ESC [ ... m) take none, East Asian wide
/// characters and emoji two.
std::size_t display_width(std::string_view text);

}  // namespace kvstone
