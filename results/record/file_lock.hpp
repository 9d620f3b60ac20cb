#pragma once
// Locks on files, which end with their process however that ends.

#include <optional>
#include <string>
#include <utility>

#include "results/record/file_descriptor.hpp"

namespace kvstone {

/// Locks an open file, until it is closed, where nobody else has a lock on it. Returns 0, EWOULDBLOCK where somebody has
/// one, or what else keeps it from being locked, for lock_error_text().
int try_lock(FileDescriptor const& file);

/// A lock on a file, until it is destroyed.
class FileLock {
  public:
    /// Waits for the lock on a file that is made where there is none. Throws SystemError.
    static FileLock exclusive(std::string const& path);
    /// The lock on a file if it is there and nobody else has one.
    static std::optional<FileLock> if_free(std::string const& path);
    /// A lock that others may have, too, on a file that is there.
    static std::optional<FileLock> shared(std::string const& path);
    /// Marks the file as used now.
    void touch() const;

  private:
    explicit FileLock(FileDescriptor file) : file_(std::move(file)) {}
    static std::optional<FileLock> open_locked(std::string const& path, int operation);
    FileDescriptor file_;
};

}  // namespace kvstone
