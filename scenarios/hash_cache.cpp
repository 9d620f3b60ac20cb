#include "scenarios/hash_cache.hpp"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scenarios/cache_folder.hpp"
#include "scenarios/content_hash.hpp"

namespace kvstone {
namespace {

std::string text_of(FileStamp const& stamp) {
    return fmt::format("{} {} {} {} {}", stamp.device, stamp.inode, stamp.size_bytes, stamp.modified_ns,
                       stamp.changed_ns);
}

std::string entry_text(FileStamp const& stamp, std::string const& digest) {
    auto const told = text_of(stamp) + "\n" + digest + "\n";
    return told + short_hash(told) + "\n";
}

constexpr std::size_t digest_digits = 64;

}  // namespace

FileStamp stamp_of(struct stat const& status) {
    auto const ns = [](timespec const& time) { return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec; };
    return {status.st_dev, status.st_ino, status.st_size, ns(status.st_mtim), ns(status.st_ctim)};
}

std::optional<FileStamp> stamp_of(std::string const& path) {
    struct stat status{};
    if (stat(path.c_str(), &status) != 0) return std::nullopt;
    return stamp_of(status);
}

HashCache::HashCache() : folder_(cache_folder("hashes")) {}

std::string HashCache::entry_path(FileStamp const& stamp) const { return folder_ + "/" + short_hash(text_of(stamp)); }

std::optional<std::string> HashCache::find(FileStamp const& stamp) const {
    if (folder_.empty()) return std::nullopt;
    std::ifstream file(entry_path(stamp), std::ios::binary);
    std::string const found{std::istreambuf_iterator<char>(file), {}};
    auto const begin = text_of(stamp).size() + 1;
    if (found.size() < begin + digest_digits) return std::nullopt;
    auto digest = found.substr(begin, digest_digits);
    if (found != entry_text(stamp, digest)) return std::nullopt;
    return digest;
}

void HashCache::store(FileStamp const& stamp, std::string const& digest) const {
    using namespace std::chrono;
    auto const now_ns = duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count();
    if (folder_.empty() || now_ns - std::max(stamp.modified_ns, stamp.changed_ns) < 2'000'000'000) return;
    std::error_code error;
    std::filesystem::create_directories(folder_, error);
    std::string draft = folder_ + "/draft-XXXXXX";
    int const descriptor = mkstemp(draft.data());
    if (descriptor < 0) return;
    auto const text = entry_text(stamp, digest);
    bool const whole = write(descriptor, text.data(), text.size()) == static_cast<ssize_t>(text.size());
    close(descriptor);
    if (whole) std::filesystem::rename(draft, entry_path(stamp), error);
    if (!whole || error) std::filesystem::remove(draft, error);
}

}  // namespace kvstone
