#pragma once
// The calls of the system that a store of segments makes, so that tests can let them fail.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/cache/segments/read_queue.hpp"

namespace kvstone {

/// Each returns what the system call of its name does, and the error as a negative number where that sets errno (io_uring's
/// way). None throws. EINTR is not seen: the call is made again.
class FileCalls {
  public:
    virtual ~FileCalls() = default;
    virtual int open(std::string const& path, int flags) = 0;  ///< made with mode 0666
    virtual void close(int file) = 0;
    virtual std::int64_t size(int file) = 0;
    virtual std::int64_t pread(int file, std::span<std::byte> to, std::uint64_t offset) = 0;
    virtual std::int64_t pwrite(int file, std::span<std::byte const> from, std::uint64_t offset) = 0;
    virtual int ftruncate(int file, std::uint64_t bytes) = 0;
    virtual int fdatasync(int file) = 0;
    virtual int unlink(std::string const& path) = 0;
    virtual int make_folders(std::string const& path) = 0;
    virtual int sync_folder(std::string const& path) = 0;
    /// Names of the entries of a folder, in any order.
    virtual int list(std::string const& folder, std::vector<std::string>& names) = 0;
    /// Locks a file, which is made where there is none, until the returned descriptor is closed. -EWOULDBLOCK: somebody has it.
    virtual int lock(std::string const& path) = 0;
    /// io_uring. Nothing, and why in `error`, where there is none: -ENOSYS also where KVstone was built without liburing.
    virtual std::unique_ptr<ReadQueue> read_ring(unsigned depth, int& error) = 0;
};

FileCalls& system_file_calls();

}  // namespace kvstone
