#include "scenarios/content_hash.hpp"

#include <cerrno>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "scenarios/errors.hpp"
#include "scenarios/hash_cache.hpp"

namespace kvstone {
namespace {

constexpr std::int64_t smallest_remembered_bytes = 16 << 20;

class OpenFile {
  public:
    /// O_NONBLOCK: a pipe without a writer must not hold us.
    explicit OpenFile(std::string const& path) : descriptor_(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
        if (descriptor_ < 0) throw SystemError("cannot be read", errno);
    }
    ~OpenFile() { close(descriptor_); }
    OpenFile(OpenFile const&) = delete;
    OpenFile& operator=(OpenFile const&) = delete;

    FileStamp stamp() const {
        struct stat status{};
        if (fstat(descriptor_, &status) != 0) throw SystemError("cannot be read", errno);
        if (!S_ISREG(status.st_mode)) throw SystemError("not a regular file");
        auto const ns = [](timespec const& time) { return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec; };
        return {status.st_dev, status.st_ino, status.st_size, ns(status.st_mtim), ns(status.st_ctim)};
    }

    /// 0 at the end.
    std::size_t read_some(std::vector<unsigned char>& buffer) const {
        for (;;) {
            auto const count = read(descriptor_, buffer.data(), buffer.size());
            if (count >= 0) return static_cast<std::size_t>(count);
            if (errno != EINTR) throw SystemError("cannot be read", errno);
        }
    }

  private:
    int descriptor_;
};

std::string digest_of(OpenFile const& file) {
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    if (!context || EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) != 1)
        throw SystemError("SHA-256 is not available");
    std::vector<unsigned char> buffer(std::size_t{1} << 20);
    while (auto const count = file.read_some(buffer)) EVP_DigestUpdate(context.get(), buffer.data(), count);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    EVP_DigestFinal_ex(context.get(), digest, &length);
    return fmt::format("{:02x}", fmt::join(digest, digest + length, ""));
}

}  // namespace

std::string content_hash(std::string const& path) {
    OpenFile const file(path);
    auto const before = file.stamp();
    HashCache const cache;
    bool const remembered = before.size_bytes >= smallest_remembered_bytes;
    if (remembered)
        if (auto known = cache.find(before)) return *known;
    auto const digest = digest_of(file);
    if (!(file.stamp() == before)) throw SystemError("changes while it is read");
    if (remembered) cache.store(before, digest);
    return digest;
}

std::string short_hash(std::string_view text) { return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size())); }

}  // namespace kvstone
