#include "harness/files/replace_file.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// A file that vanishes unless keep() gives it its name.
class TemporaryFile {
  public:
    explicit TemporaryFile(std::string const& target) : target_(target), path_(target + ".XXXXXX") {
        // A rename would put a file in place of a device or a folder.
        struct stat status{};
        if (::stat(target.c_str(), &status) == 0 && !S_ISREG(status.st_mode))
            throw SystemError(target + ": not a regular file");
        descriptor_ = ::mkostemp(path_.data(), O_CLOEXEC);
        if (descriptor_ < 0) throw SystemError(target_, errno);
    }
    ~TemporaryFile() {
        if (descriptor_ < 0) return;
        ::close(descriptor_);
        ::unlink(path_.c_str());
    }
    TemporaryFile(TemporaryFile const&) = delete;
    TemporaryFile& operator=(TemporaryFile const&) = delete;

    void write(std::span<std::byte const> bytes) {
        // Linux writes at most 2 GiB a call.
        constexpr std::size_t chunk_bytes = std::size_t{1} << 30;
        while (!bytes.empty()) {
            auto const written = ::write(descriptor_, bytes.data(), std::min(bytes.size(), chunk_bytes));
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) throw SystemError(target_, errno);
            bytes = bytes.subspan(static_cast<std::size_t>(written));
        }
    }

    void keep() {
        // mkostemp makes private files; a dump is as readable as any other file of its user.
        mode_t const mask = ::umask(0);
        ::umask(mask);
        if (::fchmod(descriptor_, 0666 & ~mask) != 0 || ::fsync(descriptor_) != 0 ||
            ::rename(path_.c_str(), target_.c_str()) != 0) {
            throw SystemError(target_, errno);
        }
        ::close(descriptor_);
        descriptor_ = -1;
    }

  private:
    std::string target_;
    std::string path_;
    int descriptor_ = -1;
};

}  // namespace

void replace_file(std::string const& path, std::vector<std::span<std::byte const>> const& parts) {
    replace_file(path, [&](FileSink const& sink) {
        for (auto const& part : parts) sink(part);
    });
}

void replace_file(std::string const& path, std::function<void(FileSink const&)> const& write) {
    TemporaryFile file(path);
    write([&](std::span<std::byte const> bytes) { file.write(bytes); });
    file.keep();
}

}  // namespace kvstone
