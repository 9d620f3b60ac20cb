#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "harness/cache/segments/file_calls.hpp"
#include "harness/cache/segments/segment_rules.hpp"

namespace kvstone {

/// A segment's file, open until its last user releases it.
class OpenSegment {
  public:
    OpenSegment(FileCalls& calls, int file, bool direct) : calls_(calls), file_(file), direct_(direct) {}
    ~OpenSegment() { calls_.close(file_); }
    OpenSegment(OpenSegment const&) = delete;
    OpenSegment& operator=(OpenSegment const&) = delete;
    int file() const { return file_; }
    bool direct() const { return direct_; }  ///< opened with O_DIRECT

  private:
    FileCalls& calls_;
    int file_;
    bool direct_;
};
using OpenSegmentPtr = std::shared_ptr<OpenSegment const>;

/// The segment files of a folder, `segment-NUMBER.kvs` in 16 hexadecimal digits: opens them with O_DIRECT until that is refused
/// once, and keeps some of them open. Errors are SystemErrors. Thread-safe.
class SegmentFiles {
  public:
    SegmentFiles(std::string folder, SegmentIo io, FileCalls& calls);

    /// Numbers of the existing files, in ascending order.
    std::vector<std::uint64_t> numbers() const;
    std::string path(std::uint64_t number) const;
    /// `make`: the file is created where it is missing.
    OpenSegmentPtr open(std::uint64_t number, bool make = false);
    /// Opens the file again; from now on all are opened without O_DIRECT, which the system refused. `at` as in
    /// SegmentMode::refused_at.
    OpenSegmentPtr open_after_refusal(std::uint64_t number, char const* at, int refused_errno);
    /// Opens this file without O_DIRECT; the others keep their mode.
    OpenSegmentPtr open_buffered(std::uint64_t number) const;
    /// Notes that io_uring is not available: reads come one at a time.
    void refuse_ring(int refused_errno);
    void remove(std::uint64_t number);

    SegmentMode mode() const;
    FileCalls& calls() const { return calls_; }
    std::string const& folder() const { return folder_; }

  private:
    OpenSegmentPtr open_with(std::uint64_t number, int flags);
    void keep(std::uint64_t number, OpenSegmentPtr const& file);
    void refuse_direct(char const* at, int refused_errno);

    std::string folder_;
    FileCalls& calls_;
    mutable std::mutex mutex_;  ///< guards all below
    SegmentMode mode_;
    struct Kept {
        OpenSegmentPtr file;
        std::uint64_t used = 0;
    };
    std::unordered_map<std::uint64_t, Kept> kept_;
    std::uint64_t uses_ = 0;
};

}  // namespace kvstone
