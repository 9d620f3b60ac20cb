#pragma once

#include <functional>
#include <iosfwd>
#include <string>

namespace kvstone {

/// Writes the output of `write` to the file, whole or not at all (to a device or pipe, as /dev/stdout, as it comes); to
/// standard output where none is named. Standard output gets it from a temporary file, all at the end: a reader that is
/// slow, as a pager is, must not hold up the database that `write` reads. Throws ConfigError where the output cannot be
/// written, and what `write` throws.
void write_output(std::string const& file, std::function<void(std::ostream&)> const& write);
/// The same for a text.
void write_output(std::string const& file, std::string const& text);

/// Throws ConfigError where no file can be made at a path: what takes long should not find that out at its end.
void check_output(std::string const& file);
/// Calls `write`, which writes the file that -o names: a SystemError of it becomes a ConfigError.
void write_to_output(std::string const& file, std::function<void()> const& write);

}  // namespace kvstone
