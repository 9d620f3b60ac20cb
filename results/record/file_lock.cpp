#include "results/record/file_lock.hpp"

#include <cerrno>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

int locked(FileDescriptor const& file, int operation) {
    while (::flock(file.get(), operation) != 0)
        if (errno != EINTR) return errno;
    return 0;
}

}  // namespace

int try_lock(FileDescriptor const& file) { return locked(file, LOCK_EX | LOCK_NB); }

FileLock FileLock::exclusive(std::string const& path) {
    FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
    if (!file.is_open()) throw SystemError(path, errno);
    if (int const error = locked(file, LOCK_EX); error != 0) throw SystemError(path, error);
    return FileLock(std::move(file));
}

std::optional<FileLock> FileLock::if_free(std::string const& path) { return open_locked(path, LOCK_EX | LOCK_NB); }
std::optional<FileLock> FileLock::shared(std::string const& path) { return open_locked(path, LOCK_SH); }
std::optional<FileLock> FileLock::open_locked(std::string const& path, int operation) {
    FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.is_open() || locked(file, operation) != 0) return std::nullopt;
    return FileLock(std::move(file));
}

void FileLock::touch() const { ::futimens(file_.get(), nullptr); }

}  // namespace kvstone
