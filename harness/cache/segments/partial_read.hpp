#pragma once

#include <cstdint>
#include <span>

#include "harness/cache/segments/segment_files.hpp"

namespace kvstone {

/// A read that may take several calls: the part still to be read, and its offset.
class PartialRead {
  public:
    PartialRead() = default;
    PartialRead(OpenSegmentPtr file, std::uint64_t number, std::span<std::byte> to, std::uint64_t offset)
        : file_(std::move(file)), number_(number), to_(to), offset_(offset) {}

    /// Takes the result of reading rest() at offset(). True where the read is over: all bytes were read, or error() has
    /// the reason. Otherwise it has to be continued: behind the bytes that came, or through another file.
    bool take(std::int64_t result, SegmentFiles& files);

    int file() const { return file_->file(); }
    std::span<std::byte> rest() const { return to_.subspan(done_); }
    std::uint64_t offset() const { return offset_ + done_; }
    std::uint64_t bytes_read() const { return done_; }
    /// 0, an errno, or end_of_file.
    int error() const { return error_; }
    static constexpr int end_of_file = -1;
    std::uint64_t short_reads() const { return short_reads_; }

  private:
    OpenSegmentPtr file_;
    std::uint64_t number_ = 0;
    std::span<std::byte> to_;
    std::uint64_t offset_ = 0;
    std::size_t done_ = 0;
    int error_ = 0;
    std::uint64_t short_reads_ = 0;
};

}  // namespace kvstone
