#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace kvstone {

/// Alignment in files and in memory that O_DIRECT accepts on every device.
inline constexpr std::size_t direct_alignment = 4096;

constexpr std::uint64_t rounded_up(std::uint64_t bytes) {
    return (bytes + direct_alignment - 1) / direct_alignment * direct_alignment;
}

/// Bytes that start at a multiple of direct_alignment, not initialised.
class AlignedBytes {
  public:
    AlignedBytes() = default;
    explicit AlignedBytes(std::size_t bytes)
        : bytes_(static_cast<std::byte*>(std::aligned_alloc(direct_alignment, rounded_up(bytes)))), size_(bytes) {
        if (!bytes_) throw std::bad_alloc();
    }
    std::size_t size() const { return size_; }
    std::span<std::byte> span() { return {bytes_.get(), size_}; }
    std::span<std::byte const> span() const { return {bytes_.get(), size_}; }

  private:
    struct Free {
        void operator()(std::byte* bytes) const { std::free(bytes); }
    };
    std::unique_ptr<std::byte, Free> bytes_;
    std::size_t size_ = 0;
};

}  // namespace kvstone
