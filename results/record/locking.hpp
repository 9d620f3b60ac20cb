#pragma once
// How this program keeps other writers from a file.

#include <string>

namespace kvstone {

enum class Locking {
    file,  ///< flock: the kernel ends the lock with its process
    none   ///< no lock: the caller makes sure that no one else writes
};

/// A text for flock's error, also for file systems without flock: it says what to do.
std::string lock_error_text(int error, std::string const& path);

/// Whether this error means that the file system has no flock.
bool lacks_locks(int error);

}  // namespace kvstone
