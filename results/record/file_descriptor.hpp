#pragma once
// Open files of the system: closing them, and writing a text in full.

#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace kvstone {

/// A file descriptor that closes itself.
class FileDescriptor {
  public:
    explicit FileDescriptor(int value = -1) : value_(value) {}
    FileDescriptor(FileDescriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        reset(std::exchange(other.value_, -1));
        return *this;
    }
    ~FileDescriptor() { reset(); }

    int get() const { return value_; }
    bool is_open() const { return value_ >= 0; }
    /// Closes it and takes over another. errno stays as it is.
    void reset(int value = -1);

  private:
    int value_;
};

/// Writes all bytes, in as many calls as needed. Throws SystemError "WHAT: ..."; some bytes may have been written then.
void write_all(FileDescriptor const& file, std::span<std::byte const> bytes, std::string const& what);

}  // namespace kvstone
