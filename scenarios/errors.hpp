#pragma once
// The three exception types of KVstone. This header depends on the standard library alone, and every folder may
// include it, whatever else the layering allows it.

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace kvstone {

/// A place in a text that the user wrote; line and column count from 1, 0 means unknown.
struct TextPlace {
    std::string file;
    int line = 0;
    int column = 0;
};

/// Bad input, found before any cell runs. Exit code 2.
/// what() reads "FILE:LINE:COLUMN: MESSAGE: 'OFFENDING'; accepted: A, B, C (did you mean 'B'?)".
class ConfigError : public std::runtime_error {
  public:
    explicit ConfigError(std::string message, std::string offending = {}, std::vector<std::string> accepted = {},
                         TextPlace place = {});

    /// The same error with the place of the offending text (codecs know no files).
    ConfigError at(TextPlace place) const;

    std::string const& message() const { return message_; }
    std::string const& offending() const { return offending_; }
    std::vector<std::string> const& accepted() const { return accepted_; }
    TextPlace const& place() const { return place_; }

  private:
    std::string message_;
    std::string offending_;
    std::vector<std::string> accepted_;
    TextPlace place_;
};

/// Stored bytes that break their format (truncated, altered, of another version).
class CorruptData : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// The machine refused: a file, a process, memory, a device. Exit code 4.
class SystemError : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
    /// "WHAT: strerror(error_number)".
    SystemError(std::string const& what, int error_number);
};

/// The accepted name nearest to the offending one by edit distance; empty where none is near.
std::string nearest_name(std::string_view offending, std::vector<std::string> const& accepted);

}  // namespace kvstone
