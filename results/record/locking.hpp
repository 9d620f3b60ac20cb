#pragma once
// How this program keeps others from a file while it writes there.

#include <string>

namespace kvstone {

enum class Locking {
    file,  ///< flock: the kernel ends the lock with its process
    none   ///< not at all: whoever starts the program sees to it that nobody else writes
};

/// What flock's error means, for a file on a file system that may not know it: says what to do about it.
std::string lock_error_text(int error, std::string const& path);

/// Whether this error says that the file system knows no flock.
bool lacks_locks(int error);

}  // namespace kvstone
