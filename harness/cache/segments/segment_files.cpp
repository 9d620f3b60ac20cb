#include "harness/cache/segments/segment_files.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <string_view>

#include <fcntl.h>
#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::size_t most_kept_open = 128;  ///< processes may often have 1,024 files
constexpr std::string_view prefix = "segment-";
constexpr std::string_view suffix = ".kvs";
constexpr std::size_t digits = 16;
constexpr std::uint64_t most = std::uint64_t{1} << 63;  ///< of a number: there is always a next one

}  // namespace

SegmentFiles::SegmentFiles(std::string folder, SegmentIo io, FileCalls& calls)
    : folder_(std::move(folder)), calls_(calls), mode_{.io = io} {}

std::vector<std::uint64_t> SegmentFiles::numbers() const {
    std::vector<std::string> names;
    if (auto const error = calls_.list(folder_, names); error < 0) throw SystemError(folder_, -error);
    std::vector<std::uint64_t> found;
    for (std::string_view const name : names) {
        if (name.size() != prefix.size() + digits + suffix.size() || !name.starts_with(prefix) ||
            !name.ends_with(suffix))
            continue;
        std::uint64_t number = 0;
        auto const* const first = name.data() + prefix.size();
        auto const [end, error] = std::from_chars(first, first + digits, number, 16);
        if (error == std::errc() && end == first + digits && number > 0 && number < most) found.push_back(number);
    }
    std::ranges::sort(found);
    return found;
}

std::string SegmentFiles::path(std::uint64_t number) const {
    return fmt::format("{}/{}{:016x}{}", folder_, prefix, number, suffix);
}

OpenSegmentPtr SegmentFiles::open(std::uint64_t number, bool make) {
    std::lock_guard const lock(mutex_);
    if (auto const found = kept_.find(number); found != kept_.end()) {
        found->second.used = ++uses_;
        return found->second.file;
    }
    auto file = open_with(number, make ? O_RDWR | O_CREAT : O_RDWR);
    keep(number, file);
    return file;
}

OpenSegmentPtr SegmentFiles::open_after_refusal(std::uint64_t number, char const* at, int refused_errno) {
    std::lock_guard const lock(mutex_);
    refuse_direct(at, refused_errno);
    auto file = open_with(number, O_RDWR);
    keep(number, file);
    return file;
}

OpenSegmentPtr SegmentFiles::open_buffered(std::uint64_t number) const {
    auto const file = calls_.open(path(number), O_RDONLY);
    if (file < 0) throw SystemError(path(number), -file);
    return std::make_shared<OpenSegment const>(calls_, file, false);
}

OpenSegmentPtr SegmentFiles::open_with(std::uint64_t number, int flags) {
    auto const name = path(number);
    auto const direct = mode_.io == SegmentIo::buffered ? 0 : O_DIRECT;
    auto file = calls_.open(name, flags | direct);
    if (direct != 0 && (file == -EINVAL || file == -EOPNOTSUPP)) {
        refuse_direct("open", -file);
        return open_with(number, flags);
    }
    if (file < 0) throw SystemError(name, -file);
    return std::make_shared<OpenSegment const>(calls_, file, direct != 0);
}

void SegmentFiles::keep(std::uint64_t number, OpenSegmentPtr const& file) {
    if (kept_.size() >= most_kept_open && !kept_.contains(number))
        kept_.erase(std::ranges::min_element(kept_, {}, [](auto const& one) { return one.second.used; }));
    kept_[number] = {file, ++uses_};
}

void SegmentFiles::refuse_direct(char const* at, int refused_errno) {
    if (mode_.io == SegmentIo::buffered) return;  // another file was refused before
    mode_ = {.io = SegmentIo::buffered, .refused_errno = refused_errno, .refused_at = at};
    kept_.clear();
}

void SegmentFiles::refuse_ring(int refused_errno) {
    std::lock_guard const lock(mutex_);
    if (mode_.io == SegmentIo::io_uring)
        mode_ = {.io = SegmentIo::direct, .refused_errno = refused_errno, .refused_at = "io_uring"};
}

void SegmentFiles::remove(std::uint64_t number) {
    {
        std::lock_guard const lock(mutex_);
        kept_.erase(number);
    }
    auto const name = path(number);
    if (auto const error = calls_.unlink(name); error < 0 && error != -ENOENT) throw SystemError(name, -error);
}

SegmentMode SegmentFiles::mode() const {
    std::lock_guard const lock(mutex_);
    return mode_;
}

}  // namespace kvstone
