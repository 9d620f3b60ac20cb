#pragma once
// Text in lines that a terminal, or a column of a table, has room for.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kvstone {

/// Lines of at most `columns` columns (1 or more; see display_width()). Lines break at spaces, within a longer word after one
/// of `,/|;:=_-.&?`, and where there is none of these anywhere. Line ends of the text stay, as do the spaces that begin it. Never
/// empty.
std::vector<std::string> wrapped_lines(std::string_view text, std::size_t columns);

/// The same as one text. What is left of a line of the text stands on lines that begin with `indent` spaces, which count.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent = 0);

/// The fewest columns in which wrapped_lines() breaks a line only at a space or after one of the characters above.
std::size_t longest_piece(std::string_view text);

}  // namespace kvstone
