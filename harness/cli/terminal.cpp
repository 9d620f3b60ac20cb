#include "harness/cli/terminal.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>

#include <sys/ioctl.h>
#include <unistd.h>

#include "results/record/wrapped.hpp"

namespace kvstone {
namespace {

Screen screen_of(int descriptor) {
    // Narrower than the first nothing can be read.
    constexpr std::size_t fewest_columns = 20, most_columns = 10'000;
    Screen screen;
    bool const terminal = isatty(descriptor) == 1;
    char const* const refused = std::getenv("NO_COLOR");
    screen.colour = (refused == nullptr || *refused == '\0') && terminal;
    char const* const given = std::getenv("COLUMNS");
    std::size_t columns = given == nullptr ? 0 : std::strtoul(given, nullptr, 10);
    winsize size{};
    if (columns == 0 && terminal && ioctl(descriptor, TIOCGWINSZ, &size) == 0) columns = size.ws_col;
    if (columns > 0) screen.columns = std::clamp(columns, fewest_columns, most_columns);
    return screen;
}

}  // namespace

Screen standard_output() { return screen_of(STDOUT_FILENO); }
Screen standard_error() { return screen_of(STDERR_FILENO); }

void print_words(std::string const& words, std::size_t indent) {
    std::cout << wrapped(words, standard_output().columns, indent) << '\n';
}

}  // namespace kvstone
