#include "harness/cli/output_file.hpp"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <span>

#include <fmt/format.h>

#include "harness/sources/replace_file.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

void write_output(std::string const& file, std::string const& text) {
    if (file.empty()) {
        std::cout << text;
        return;
    }
    if (std::filesystem::exists(file) && !std::filesystem::is_regular_file(file)) {
        std::ofstream out(file);
        if (!(out << text).flush()) throw SystemError("cannot write " + file, errno);
        return;
    }
    replace_file(file, {std::as_bytes(std::span(text))});
    fmt::print(stderr, "{}: {} bytes\n", file, text.size());
}

}  // namespace kvstone
