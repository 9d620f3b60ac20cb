#pragma once
// The terminal or file that a person reads on.

#include <cstddef>
#include <string>

namespace kvstone {

/// The width of tables and sentences, and whether colours are shown.
struct Screen {
    bool colour = false;
    std::size_t columns = 120;
    std::string bold(std::string const& text) const { return colour ? "\x1b[1m" + text + "\x1b[0m" : text; }
    std::string red(std::string const& text) const { return colour ? "\x1b[31m" + text + "\x1b[0m" : text; }
};

}  // namespace kvstone
