#pragma once
// The system calls of a store of segments, so that tests can let them fail.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/cache/segments/read_queue.hpp"

namespace kvstone {

/// Each returns the value of the system call of its name, and a negative number where that sets errno (the convention
/// of io_uring). None throws. A call that ends with EINTR is made again.
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
    /// Locks a file, which is created where it is missing, until the returned descriptor is closed. -EWOULDBLOCK:
    /// another one has it.
    virtual int lock(std::string const& path) = 0;
    /// io_uring. Null, with the reason in `error`, where it is not available: -ENOSYS also where KVstone was built
    /// without liburing.
    virtual std::unique_ptr<ReadQueue> read_ring(unsigned depth, int& error) = 0;
};

FileCalls& system_file_calls();

}  // namespace kvstone
