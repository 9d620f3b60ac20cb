#include "harness/cli/output_file.hpp"

#include <iostream>
#include <span>

#include <fmt/format.h>

#include "harness/sources/replace_file.hpp"

namespace kvstone {

void write_output(std::string const& file, std::string const& text) {
    if (file.empty()) {
        std::cout << text;
        return;
    }
    replace_file(file, {std::as_bytes(std::span(text))});
    fmt::print(stderr, "{}: {} bytes\n", file, text.size());
}

}  // namespace kvstone
