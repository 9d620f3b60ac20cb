#pragma once
// Text in lines that fit a terminal, or a column of a table.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace kvstone {

/// Lines of at most `columns` columns (1 or more; see display_width()). Lines break at spaces; within a longer word
/// behind one of `,/|;:=_-.&?`, and anywhere where it has none of these. The text's own line ends stay, and so do the
/// spaces at its beginning. Never empty.
std::vector<std::string> wrapped_lines(std::string_view text, std::size_t columns);

/// The same as one text. The continuation of a broken line begins with `indent` spaces, which count as columns.
std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent = 0);

/// The fewest columns in which wrapped_lines() breaks a line only at a space or after one of the characters above.
std::size_t longest_piece(std::string_view text);

}  // namespace kvstone
