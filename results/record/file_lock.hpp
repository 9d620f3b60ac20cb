#pragma once
// Locks on files, which end when their process ends, even if it is killed.

#include <optional>
#include <string>
#include <utility>

#include "results/record/file_descriptor.hpp"

namespace kvstone {

/// Locks an open file, until it is closed, where no one else has a lock on it. Returns 0, EWOULDBLOCK where someone has
/// one, or the error of the system, for lock_error_text().
int try_lock(FileDescriptor const& file);

/// A lock on a file, until it is destroyed.
class FileLock {
  public:
    /// Waits for the lock on a file, which is created where it is missing. Throws SystemError.
    static FileLock exclusive(std::string const& path);
    /// The lock on a file, if the file exists and no one else has a lock.
    static std::optional<FileLock> if_free(std::string const& path);
    /// A lock on an existing file that others may have, too.
    static std::optional<FileLock> shared(std::string const& path);
    /// Marks the file as used now.
    void touch() const;

  private:
    explicit FileLock(FileDescriptor file) : file_(std::move(file)) {}
    static std::optional<FileLock> open_locked(std::string const& path, int operation);
    FileDescriptor file_;
};

}  // namespace kvstone
