#include "harness/captures/capture_folder.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

#include "results/record/file_lock.hpp"
#include "scenarios/cache_folder.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t default_limit_bytes = std::uint64_t{20} << 30;
constexpr std::string_view entry_extensions[] = {".safetensors", ".baseline"};

/// Removes an entry and its lock file. A maker that waits for a lock file removed under it makes the entry once more
/// than needed, and nothing worse.
bool remove_entry(std::string const& path) {
    auto const own = FileLock::if_free(path);
    if (!own) return false;
    auto const lock_path = std::filesystem::path(path).replace_extension(".lock").string();
    auto const making = FileLock::if_free(lock_path);
    ::unlink(path.c_str());
    if (making) ::unlink(lock_path.c_str());
    return true;
}

}  // namespace

std::string capture_folder() { return cache_folder("captures"); }

std::uint64_t capture_limit_bytes() {
    auto const* const text = std::getenv("KVSTONE_CAPTURES_BYTES");
    if (text == nullptr || *text == '\0') return default_limit_bytes;
    std::string_view const digits(text);
    std::uint64_t bytes = 0;
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bytes);
    if (error != std::errc{} || end != digits.data() + digits.size())
        throw ConfigError("KVSTONE_CAPTURES_BYTES: the bytes that captures may take", text, {"a number of bytes"});
    return bytes;
}

std::vector<CaptureFile> list_captures(std::string const& folder) {
    std::vector<CaptureFile> files;
    std::error_code error;
    for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
        auto const& path = at->path();
        struct stat status{};
        if (std::ranges::find(entry_extensions, path.extension().string()) == std::end(entry_extensions) ||
            ::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode))
            continue;
        files.push_back({path.string(), static_cast<std::uint64_t>(status.st_size),
                         std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec});
    }
    std::ranges::sort(files, {}, [](CaptureFile const& file) { return std::pair(file.used_ns, file.path); });
    return files;
}

PruneReport prune_captures(std::string const& folder, std::uint64_t limit_bytes, bool dry_run) {
    PruneReport report;
    auto const files = list_captures(folder);
    for (auto const& file : files) report.kept_bytes += file.bytes;
    for (auto const& file : files) {
        if (report.kept_bytes <= limit_bytes) break;
        bool const gone = dry_run ? FileLock::if_free(file.path).has_value() : remove_entry(file.path);
        if (gone) report.kept_bytes -= file.bytes;
        (gone ? report.removed : report.in_use).push_back(file);
    }
    return report;
}

}  // namespace kvstone
