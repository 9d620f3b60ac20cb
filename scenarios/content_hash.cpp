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
#include "scenarios/gguf_shards.hpp"
#include "scenarios/hash_cache.hpp"
#include "scenarios/safetensors_index.hpp"

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
        return stamp_of(status);
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

class Sha256 {
  public:
    Sha256() {
        if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
            throw SystemError("SHA-256 is not available");
    }
    void add(void const* data, std::size_t bytes) { EVP_DigestUpdate(context_.get(), data, bytes); }
    std::string digest() {
        unsigned char digest[EVP_MAX_MD_SIZE];
        unsigned int length = 0;
        EVP_DigestFinal_ex(context_.get(), digest, &length);
        return fmt::format("{:02x}", fmt::join(digest, digest + length, ""));
    }

  private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

std::string digest_of(OpenFile const& file) {
    Sha256 sha256;
    std::vector<unsigned char> buffer(std::size_t{1} << 20);
    while (auto const count = file.read_some(buffer)) sha256.add(buffer.data(), count);
    return sha256.digest();
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

std::string sha256_of(std::string_view text) {
    Sha256 sha256;
    sha256.add(text.data(), text.size());
    return sha256.digest();
}

std::array<std::uint8_t, 32> sha256_bytes_of(std::span<std::byte const> data) {
    std::array<std::uint8_t, 32> digest{};
    if (EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
        throw SystemError("SHA-256 is not available");
    return digest;
}

std::string named_hash(std::string const& path) {
    auto const files = files_behind(path);
    if (files.size() == 1) return content_hash(path);
    bool const is_index = is_safetensors_index(path);
    std::string digests;
    for (std::size_t i = 0; i < files.size(); ++i) {
        try {
            digests += content_hash(files[i]) + "\n";
        } catch (SystemError const& error) {
            throw SystemError(fmt::format("{}: {} {} of {} of a {}: {}", files[i], is_index ? "file" : "shard", i + 1,
                                          files.size(), is_index ? "dump" : "model", error.what()));
        }
    }
    return sha256_of(digests);
}

std::string short_hash(std::string_view text) { return fmt::format("{:016x}", XXH3_64bits(text.data(), text.size())); }

}  // namespace kvstone
