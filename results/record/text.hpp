#pragma once
// Text in the form that terminals and SQLite accept.

#include <cstddef>
#include <string>
#include <string_view>

namespace kvstone {

/// The text with every byte that is not part of valid UTF-8, and every NUL, replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

/// The text, made valid, as an attribute or content of XML 1.0, whose only control characters are tabs and line ends.
std::string xml_text(std::string_view text);

/// Columns of valid UTF-8 on a terminal: combining marks and commands for colours (ESC [ ... m) take none, East Asian
/// wide characters and emoji two.
std::size_t display_width(std::string_view text);

}  // namespace kvstone
