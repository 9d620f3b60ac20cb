#include "results/store/writer_lock.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "results/record/file_lock.hpp"
#include "results/record/locking.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// "process 4711 on node3", as its holder wrote it.
std::string holder(int descriptor) {
    std::array<char, 256> text{};
    auto const length = pread(descriptor, text.data(), text.size(), 0);
    if (length <= 0) return "another process";
    return {text.data(), static_cast<std::size_t>(length)};
}

void sign(int descriptor) {
    std::array<char, 128> host{};
    gethostname(host.data(), host.size() - 1);
    auto const text = fmt::format("process {} on {}", getpid(), host.data());
    // Only for the words of an error: the lock holds without it.
    if (ftruncate(descriptor, 0) == 0 && pwrite(descriptor, text.data(), text.size(), 0) < 0) errno = 0;
}

}  // namespace

WriterLock::WriterLock(std::string const& database) : path_(database + ".lock") {
    for (;;) {
        FileDescriptor file(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
        bool const made = file.is_open();
        if (!made && errno == EEXIST) file.reset(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
        if (!file.is_open()) {
            if (errno == EACCES || errno == EROFS || errno == EPERM)
                throw ConfigError("cannot write beside the database: its folder or " + path_ + " is read-only",
                                  database);
            throw SystemError("cannot create " + path_, errno);
        }
        if (int const error = try_lock(file); error != 0) {
            if (error == EWOULDBLOCK)
                throw ConfigError(
                    fmt::format("{} writes to this database already; one run at a time", holder(file.get())), database);
            if (made) ::unlink(path_.c_str());  // without locks it says nothing; another's may be held
            if (lacks_locks(error)) throw ConfigError(lock_error_text(error, path_), database);
            throw SystemError("cannot lock " + path_, error);
        }
        // Its last holder may have removed the file between our open and our lock: then this lock guards nothing.
        struct stat locked{}, named{};
        if (fstat(file.get(), &locked) == 0 && stat(path_.c_str(), &named) == 0 && locked.st_ino == named.st_ino &&
            locked.st_dev == named.st_dev) {
            sign(file.get());
            file_ = std::move(file);
            return;
        }
    }
}

WriterLock::~WriterLock() { ::unlink(path_.c_str()); }

}  // namespace kvstone
