#include "results/store/writer_lock.hpp"

#include <array>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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
        int descriptor = ::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        bool const made = descriptor >= 0;
        if (!made && errno == EEXIST) descriptor = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (descriptor < 0) {
            if (errno == EACCES || errno == EROFS || errno == EPERM)
                throw ConfigError("cannot write beside the database: its folder or " + path_ + " is read-only",
                                  database);
            throw SystemError("cannot create " + path_, errno);
        }
        if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
            int const error = errno;
            auto const who = holder(descriptor);
            ::close(descriptor);
            if (error == EWOULDBLOCK)
                throw ConfigError(fmt::format("{} writes to this database already; one run at a time", who), database);
            if (made) ::unlink(path_.c_str());  // without locks it says nothing; another's may be held
            if (lacks_locks(error)) throw ConfigError(lock_error_text(error, path_), database);
            throw SystemError("cannot lock " + path_, error);
        }
        // Its last holder may have removed the file between our open and our lock: then this lock guards nothing.
        struct stat locked{}, named{};
        if (fstat(descriptor, &locked) == 0 && stat(path_.c_str(), &named) == 0 && locked.st_ino == named.st_ino &&
            locked.st_dev == named.st_dev) {
            descriptor_ = descriptor;
            sign(descriptor_);
            return;
        }
        ::close(descriptor);
    }
}

WriterLock::~WriterLock() {
    ::unlink(path_.c_str());
    ::close(descriptor_);
}

}  // namespace kvstone
