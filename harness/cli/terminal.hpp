#pragma once
// Where this program prints.

#include <string>

#include "results/record/screen.hpp"

namespace kvstone {

/// In colour where standard output is a terminal and NO_COLOR is not set; as wide as COLUMNS says, else as the terminal is,
/// else 120 columns.
Screen standard_output();
/// The same of standard error.
Screen standard_error();
/// Prints sentences as wide as standard output, and a line end. What is left of a broken line stands behind `indent` spaces.
void print_words(std::string const& words, std::size_t indent = 2);

}  // namespace kvstone
