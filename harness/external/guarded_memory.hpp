#pragma once
// Memory that is handed to code of others.

#include <cstddef>
#include <string>

namespace kvstone {

/// A block of memory with a pattern before and behind it, in which a write beyond its ends is seen. Aligned to 64 bytes.
class GuardedMemory {
  public:
    GuardedMemory() = default;
    ~GuardedMemory();
    GuardedMemory(GuardedMemory const&) = delete;
    GuardedMemory& operator=(GuardedMemory const&) = delete;

    /// Makes the block this large. Its contents are lost; where it was large enough, nothing is allocated. Throws
    /// std::bad_alloc.
    void resize(std::size_t bytes);
    std::byte* data() const { return mapping_ + guard_bytes; }
    std::size_t size() const { return bytes_; }
    /// From now on a write ends the process with SIGSEGV, or writes are allowed again.
    void allow_writes(bool allowed) const;
    /// "" or where a guard was changed: "3 bytes behind its 1024". Bytes that were changed further than 4096 away from the
    /// block are not seen.
    std::string damage() const;

  private:
    static constexpr std::size_t guard_bytes = 4096;
    void set_guards() const;

    std::byte* mapping_ = nullptr;
    std::size_t mapped_bytes_ = 0;
    std::size_t bytes_ = 0;
};

}  // namespace kvstone
