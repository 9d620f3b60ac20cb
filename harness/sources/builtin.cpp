#include "harness/sources/builtin.hpp"

#include <cstdlib>
#include <filesystem>
#include <vector>

namespace kvstone {
namespace {

struct Builtin {
    char const* name;
    char const* installed;  ///< below a data folder
    char const* source;     ///< below the source folder
};
constexpr Builtin builtins[] = {{"tiny", "tiny.gguf", "harness/tiny_model/tiny.gguf"},
                                {"builtin", "text.txt", "harness/tiny_model/text.txt"},
                                {"library", "library", "scenarios/library"}};

}  // namespace

std::string builtin_path(std::string const& name) {
    namespace fs = std::filesystem;
    for (auto const& builtin : builtins) {
        if (name != builtin.name) continue;
        std::vector<fs::path> places;
        char const* const folder = std::getenv("KVSTONE_DATA");
        if (folder != nullptr && *folder != '\0') places.push_back(fs::path(folder) / builtin.installed);
        std::error_code error;
        auto const executable = fs::read_symlink("/proc/self/exe", error);
        if (!error) places.push_back(executable.parent_path().parent_path() / "share" / "kvstone" / builtin.installed);
        places.push_back(fs::path(KVSTONE_SOURCE_FOLDER) / builtin.source);
        for (auto const& place : places) {
            if (fs::exists(place, error)) return fs::absolute(place).string();
        }
    }
    return {};
}

}  // namespace kvstone
