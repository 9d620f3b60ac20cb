#include "harness/sources/capture_cache.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

#include "harness/dump.hpp"
#include "harness/sources/sources.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Held from construction to the end of scope, or of the process.
class FileLock {
  public:
    explicit FileLock(std::string const& path) : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
        if (descriptor_ < 0) throw SystemError(path, errno);
        while (::flock(descriptor_, LOCK_EX) != 0) {
            if (errno == EINTR) continue;
            int const error = errno;
            ::close(descriptor_);
            throw SystemError(path, error);
        }
    }
    ~FileLock() { ::close(descriptor_); }
    FileLock(FileLock const&) = delete;
    FileLock& operator=(FileLock const&) = delete;

  private:
    int descriptor_;
};

/// Over the values of all tensors, in a fixed order.
std::string checksum(KvTensors const& tensors) {
    std::string text;
    for (auto const* tensor : {&tensors.k, &tensors.v, &tensors.k_prerope, &tensors.q}) {
        if (!tensor->has_value()) continue;
        auto const bytes = (*tensor)->span();
        text += fmt::format("{:016x}", XXH3_64bits(bytes.data(), bytes.size()));
    }
    return text;
}

/// Nothing where there is no file, or none to trust.
std::optional<KvTensors> read_capture(std::string const& path, std::string const& key) {
    try {
        auto tensors = read_dump(path, {.k = true, .v = true, .k_prerope = true, .q = true});
        if (tensors.metadata.value("capture", "") == key && tensors.metadata.value("xxh3", "") == checksum(tensors)) {
            return tensors;
        }
    } catch (CorruptData const&) {
    } catch (ConfigError const&) {
    } catch (SystemError const&) {
    }
    return std::nullopt;
}

}  // namespace

std::string capture_folder() {
    auto const* const cache = std::getenv("XDG_CACHE_HOME");
    if (cache != nullptr && *cache != '\0') return (std::filesystem::path(cache) / "kvstone" / "captures").string();
    auto const* const home = std::getenv("HOME");
    if (home == nullptr || *home == '\0') return {};
    return (std::filesystem::path(home) / ".cache" / "kvstone" / "captures").string();
}

KvTensors cached_capture(std::string const& folder, Json const& key, Needs needs,
                         std::function<KvTensors()> const& capture) {
    if (folder.empty()) return capture();
    auto const key_text = key.dump();
    auto const name = fmt::format("{:016x}", XXH3_64bits(key_text.data(), key_text.size()));
    auto const path = (std::filesystem::path(folder) / (name + ".safetensors")).string();
    auto const keep_needed = [&](KvTensors tensors) {
        if (!needs.k) tensors.k.reset();
        if (!needs.v) tensors.v.reset();
        if (!needs.k_prerope) tensors.k_prerope.reset();
        if (!needs.q) tensors.q.reset();
        return tensors;
    };
    if (auto found = read_capture(path, key_text)) return keep_needed(*std::move(found));

    std::optional<FileLock> lock;
    std::string obstacle;
    try {
        std::filesystem::create_directories(folder);
        lock.emplace((std::filesystem::path(folder) / (name + ".lock")).string());
    } catch (std::exception const& error) {
        obstacle = error.what();
    }
    // Whoever held the lock before may have made it.
    if (lock) {
        if (auto found = read_capture(path, key_text)) return keep_needed(*std::move(found));
    }
    auto tensors = capture();
    if (lock) {
        try {
            auto kept = tensors;
            kept.metadata["capture"] = key_text;
            kept.metadata["xxh3"] = checksum(tensors);
            write_dump(path, kept);
        } catch (SystemError const& error) {
            obstacle = error.what();
        }
    }
    if (!obstacle.empty()) tensors.metadata["cache"] = "not kept: " + obstacle;
    return keep_needed(std::move(tensors));
}

}  // namespace kvstone
