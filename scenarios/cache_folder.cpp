#include "scenarios/cache_folder.hpp"

#include <cstdlib>

namespace kvstone {

std::string cache_folder(std::string const& name) {
    if (char const* cache = std::getenv("XDG_CACHE_HOME"); cache != nullptr && cache[0] == '/')
        return std::string(cache) + "/kvstone/" + name;
    if (char const* home = std::getenv("HOME"); home != nullptr && home[0] == '/')
        return std::string(home) + "/.cache/kvstone/" + name;
    return {};
}

}  // namespace kvstone
