#include "scenarios/own_program.hpp"

#include <cstdlib>

namespace kvstone {

std::filesystem::path own_program() {
    std::error_code error;
    auto const running = std::filesystem::read_symlink("/proc/self/exe", error);
    char const* const named = std::getenv("KVSTONE_PROGRAM");
    return named != nullptr && running.filename().string().starts_with("ld-linux") ? named : running;
}

}  // namespace kvstone
