#include "harness/sources/builtin.hpp"

#include <cstdlib>
#include <filesystem>
#include <map>
#include <vector>

#include "scenarios/own_program.hpp"

namespace kvstone {

std::string builtin_path(std::string const& name) {
    namespace fs = std::filesystem;
    static std::map<std::string, fs::path> const sources{{"tiny", "harness/tiny_model/tiny.gguf"},
                                                         {"builtin", "harness/tiny_model/text.txt"},
                                                         {"words", "harness/tiny_model/words.json"},
                                                         {"library", "scenarios/library"},
                                                         {"python", "codecs/external/python"},
                                                         {"data", "harness/sources/data.txt"},
                                                         {"known_models", "harness/sources/known_models.txt"}};
    auto const found = sources.find(name);
    if (found == sources.end()) return {};
    std::vector<fs::path> places;
    if (char const* const named = std::getenv("KVSTONE_DATA"); named != nullptr && *named != '\0')
        places.push_back(named / found->second.filename());
    std::error_code error;
    if (auto const program = own_program(); !program.empty())
        places.push_back(program.parent_path().parent_path() / "share" / "kvstone" / found->second.filename());
    places.push_back(fs::path(KVSTONE_SOURCE_FOLDER) / found->second);
    for (auto const& place : places)
        if (fs::exists(place, error)) return fs::absolute(place).string();
    return {};
}

}  // namespace kvstone
