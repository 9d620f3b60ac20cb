#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstone {

/// Reads under way, up to a fixed number at a time. Their buffers must stay until they have ended. Not thread-safe.
class ReadQueue {
  public:
    struct Ended {
        std::uint64_t tag = 0;
        std::int64_t result = 0;  ///< bytes read, or a negative error
    };
    /// Waits for the reads under way.
    virtual ~ReadQueue() = default;
    virtual unsigned depth() const = 0;
    /// REQUIRES: fewer than depth() reads are under way. Errors come as results.
    virtual void start(int file, std::span<std::byte> to, std::uint64_t offset, std::uint64_t tag) = 0;
    /// Waits for the next read to end. REQUIRES: one is under way. Throws SystemError where the queue itself fails: it
    /// can then only be destroyed.
    virtual Ended finish() = 0;
};

}  // namespace kvstone
