#pragma once
// Open files of the system: who closes them, and how all of a text gets into one.

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
    /// Closes it and takes another. errno stays as it is.
    void reset(int value = -1);

  private:
    int value_;
};

/// Writes all of it, however many calls that takes. Throws SystemError "WHAT: ..."; a part may have been written then.
void write_all(FileDescriptor const& file, std::span<std::byte const> bytes, std::string const& what);

}  // namespace kvstone
