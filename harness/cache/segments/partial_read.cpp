#include "harness/cache/segments/partial_read.hpp"

#include <cerrno>

#include "harness/cache/segments/aligned_bytes.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

bool PartialRead::take(std::int64_t result, SegmentFiles& files) try {
    if (result == -EINVAL && file_->direct()) {
        file_ = files.open_after_refusal(number_, "read", EINVAL);
        return false;
    }
    if (result < 0) {
        error_ = static_cast<int>(-result);
        return true;
    }
    auto const bytes = static_cast<std::size_t>(result);
    if (bytes == to_.size() - done_) {
        done_ = to_.size();
        return true;
    }
    ++short_reads_;
    if (bytes == 0) {
        error_ = end_of_file;
        return true;
    }
    // O_DIRECT goes on at an aligned place only; where that is no progress, the page cache has to help.
    auto const kept = file_->direct() ? (done_ + bytes) / direct_alignment * direct_alignment : done_ + bytes;
    if (kept > done_) {
        done_ = kept;
    } else {
        file_ = files.open_buffered(number_);
    }
    return false;
} catch (SystemError const&) {  // the file has gone since
    error_ = ENOENT;
    return true;
}

}  // namespace kvstone
