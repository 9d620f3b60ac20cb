#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstone {

/// Reads that are under way, up to a number at a time. Their buffers must stay until they ended. Not thread-safe.
class ReadQueue {
  public:
    struct Ended {
        std::uint64_t tag = 0;
        std::int64_t result = 0;  ///< bytes read, or a negative error
    };
    /// Waits for what is still under way.
    virtual ~ReadQueue() = default;
    virtual unsigned depth() const = 0;
    /// REQUIRES: fewer than depth() are under way. Errors come as results.
    virtual void start(int file, std::span<std::byte> to, std::uint64_t offset, std::uint64_t tag) = 0;
    /// Waits for the next to end. REQUIRES: one is under way. Throws SystemError where the queue itself fails: it can only be
    /// destroyed then.
    virtual Ended finish() = 0;
};

}  // namespace kvstone
