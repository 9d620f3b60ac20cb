#pragma once
// Properties of the program's output.

#include <string>

#include "results/record/screen.hpp"

namespace kvstone {

/// Colours where standard output is a terminal and NO_COLOR is not set; the width of COLUMNS, else of the terminal,
/// else 120 columns.
Screen standard_output();
/// The same for standard error.
Screen standard_error();
/// Prints sentences in the width of standard output, and a line end. Continuation lines begin with `indent` spaces.
void print_words(std::string const& words, std::size_t indent = 2);

}  // namespace kvstone
