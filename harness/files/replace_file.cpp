#include "harness/files/replace_file.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "results/record/file_descriptor.hpp"
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
        file_.reset(::mkostemp(path_.data(), O_CLOEXEC));
        if (!file_.is_open()) throw SystemError(target_, errno);
    }
    ~TemporaryFile() {
        if (file_.is_open()) ::unlink(path_.c_str());
    }
    TemporaryFile(TemporaryFile const&) = delete;
    TemporaryFile& operator=(TemporaryFile const&) = delete;

    void write(std::span<std::byte const> bytes) { write_all(file_, bytes, target_); }

    void keep() {
        // mkostemp makes private files; a dump is as readable as any other file of its user.
        mode_t const mask = ::umask(0);
        ::umask(mask);
        if (::fchmod(file_.get(), 0666 & ~mask) != 0 || ::fsync(file_.get()) != 0 ||
            ::rename(path_.c_str(), target_.c_str()) != 0) {
            throw SystemError(target_, errno);
        }
        file_.reset();
    }

  private:
    std::string target_;
    std::string path_;
    FileDescriptor file_;
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
