#pragma once

#include <functional>
#include <iosfwd>
#include <string>

namespace kvstone {

/// Writes the output of `write` to the file, as a whole or not at all (to a device or pipe such as /dev/stdout, piece
/// by piece); to standard output where no file is named, or "-". Standard output then gets it from a temporary file at the end:
/// a slow reader, such as a pager, must not hold up the database that `write` reads. Throws ConfigError where the
/// output cannot be written, and the exceptions of `write`.
void write_output(std::string const& file, std::function<void(std::ostream&)> const& write);
/// The same for a text.
void write_output(std::string const& file, std::string const& text);

/// Throws ConfigError where no file can be created at a path: a long run should not fail at its end. "-" is none.
void check_output(std::string const& file);
/// Calls `write`, which writes the file of -o: its SystemError becomes a ConfigError.
void write_to_output(std::string const& file, std::function<void()> const& write);

}  // namespace kvstone
