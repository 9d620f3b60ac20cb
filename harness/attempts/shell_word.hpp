#pragma once

#include <string>

namespace kvstone {

/// The text as one word of a POSIX shell's command.
inline std::string shell_word(std::string const& text) {
    std::string word = "'";
    for (char const c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return word + "'";
}

}  // namespace kvstone
