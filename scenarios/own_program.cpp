#include "scenarios/own_program.hpp"

#include <cstdlib>
#include <fstream>

namespace kvstone {
namespace {

namespace fs = std::filesystem;

/// PREFIX of PREFIX/bin/NAME and PREFIX/libexec/kvstone/NAME.
fs::path own_prefix() {
    auto const folder = own_program().parent_path();
    bool const helper = folder.filename() == "kvstone" && folder.parent_path().filename() == "libexec";
    return helper ? folder.parent_path().parent_path() : folder.parent_path();
}

}  // namespace

fs::path own_program() {
    std::error_code error;
    auto const running = fs::read_symlink("/proc/self/exe", error);
    char const* const named = std::getenv("KVSTONE_PROGRAM");
    return named != nullptr && running.filename().string().starts_with("ld-linux") ? named : running;
}

std::string own_origin() {
    auto const prefix = own_prefix();
    std::string origin;
    std::ifstream file(prefix / "share" / "kvstone" / "origin");
    if (!std::getline(file, origin) || origin.empty()) origin = "a build";
    return origin + ", in " + prefix.string();
}

fs::path own_helper(std::string const& name) {
    std::error_code error;
    auto const beside = own_program().parent_path() / name;
    auto const installed = own_prefix() / "libexec" / "kvstone" / name;
    return !fs::exists(beside, error) && fs::exists(installed, error) ? installed : beside;
}

fs::path shipped_library(std::string const& name) { return own_prefix() / "lib" / "kvstone" / name; }

fs::path shipped_file(std::string const& name) {
    std::error_code error;
    if (char const* const folder = std::getenv("KVSTONE_DATA"); folder != nullptr && *folder != '\0') {
        auto const named = fs::absolute(fs::path(folder) / name, error);
        if (fs::exists(named, error)) return named;
    }
    if (own_program().empty()) return {};
    // The build folder has links to the sources.
    auto const own = fs::canonical(own_prefix() / "share" / "kvstone" / name, error);
    return error ? fs::path{} : own;
}

}  // namespace kvstone
