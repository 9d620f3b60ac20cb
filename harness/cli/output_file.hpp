#pragma once

#include <string>

namespace kvstone {

/// Writes the text to the file, whole or not at all (but to what is no file, as /dev/stdout, as it comes); to standard output
/// where none is named. Throws SystemError.
void write_output(std::string const& file, std::string const& text);

}  // namespace kvstone
