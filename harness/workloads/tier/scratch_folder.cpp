#include "harness/workloads/tier/scratch_folder.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "scenarios/cache_folder.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

namespace fs = std::filesystem;

constexpr char const* prefix = "kvstone_tier_";

std::string lock_path(fs::path const& folder) { return (folder / "in_use").string(); }

fs::path place_of_folders() {
    if (char const* named = std::getenv("KVSTONE_COLD_FOLDER"); named != nullptr && *named != '\0') return named;
    auto const cache = cache_folder("tier");
    return cache.empty() ? fs::temp_directory_path() : fs::path(cache);
}

/// A folder without a lock file is being made right now, or nearly empty.
void remove_abandoned(fs::path const& place) {
    std::error_code ignored;
    for (fs::directory_iterator at(place, ignored), end; !ignored && at != end; at.increment(ignored))
        if (at->path().filename().string().starts_with(prefix))
            if (auto const lock = FileLock::if_free(lock_path(at->path()))) fs::remove_all(at->path(), ignored);
}

}  // namespace

ColdScratch::ColdScratch() {
    auto const place = place_of_folders();
    std::error_code error;
    fs::create_directories(place, error);
    remove_abandoned(place);
    // Whoever looks for abandoned folders may take one that is not locked yet.
    do {
        auto pattern = (place / (std::string(prefix) + "XXXXXX")).string();
        if (mkdtemp(pattern.data()) == nullptr) throw SystemError(pattern, errno);
        path_ = pattern;
        lock_ = FileLock::exclusive(lock_path(path_));
    } while (!fs::exists(lock_path(path_)));
}

ColdScratch::~ColdScratch() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

}  // namespace kvstone
