#pragma once

#include <string>

namespace kvstone {

/// Writes the text to the file, whole or not at all; to standard output where no file is named.
void write_output(std::string const& file, std::string const& text);

}  // namespace kvstone
