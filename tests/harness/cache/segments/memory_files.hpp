#pragma once
// A folder in memory whose calls fail when a test says so, and which loses what was not synced when the power goes.

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>

#include <fcntl.h>

#include "harness/cache/segments/aligned_bytes.hpp"
#include "harness/cache/segments/file_calls.hpp"

namespace kvstone {

enum class FileCall { open, size, pread, pwrite, ftruncate, fdatasync, unlink, sync_folder, list };

class MemoryFiles : public FileCalls {
  public:
    /// Asked before each call: nothing to let it happen, a negative error, or (pread, pwrite) how many bytes it takes at most.
    /// `direct`: the file is, or is to be, open with O_DIRECT.
    using Fault = std::function<std::optional<std::int64_t>(FileCall call, std::size_t bytes, bool direct)>;
    Fault fault;
    /// How many bytes all files may have together.
    std::uint64_t disk_bytes = std::uint64_t{1} << 40;
    bool has_rings = true;
    std::mt19937_64 random{1};

    std::map<std::string, std::string> contents() const {
        std::map<std::string, std::string> found;
        for (auto const& [path, file] : names_) found[path] = file->bytes;
        return found;
    }
    void write(std::string const& path, std::string bytes) {
        names_[path] = std::make_shared<File>(File{bytes, bytes});
        synced_names_[path] = names_[path];
    }
    std::string& bytes(std::string const& path) { return names_.at(path)->bytes; }
    void remove(std::string const& path) { names_.erase(path); }
    std::size_t open_files() const { return open_.size(); }

    /// Every page that was written and not synced is there or not, by chance; so are lengths and names.
    void cut_power() {
        std::map<std::string, std::shared_ptr<File>> after = synced_names_;
        for (auto const& [path, file] : names_)
            if (random() % 2 == 0) after[path] = file;
        for (auto const& [path, file] : synced_names_)
            if (!names_.contains(path) && random() % 2 == 0) after.erase(path);
        names_.clear();
        for (auto const& [path, file] : after) {
            auto const longest = random() % 2 == 0 ? file->bytes.size() : file->synced.size();
            auto bytes = file->synced;
            bytes.resize(longest, '\0');
            for (std::size_t at = 0; at < longest; at += direct_alignment)
                if (random() % 2 == 0 && at < file->bytes.size())
                    bytes.replace(at, std::min(direct_alignment, longest - at),
                                  file->bytes.substr(at, direct_alignment));
            bytes.resize(longest, '\0');
            names_[path] = std::make_shared<File>(File{bytes, bytes});
        }
        synced_names_ = names_;
    }

    int open(std::string const& path, int flags) override {
        auto const direct = (flags & O_DIRECT) != 0;
        if (auto const result = asked(FileCall::open, 0, direct)) return static_cast<int>(*result);
        auto found = names_.find(path);
        if (found == names_.end()) {
            if ((flags & O_CREAT) == 0) return -ENOENT;
            found = names_.emplace(path, std::make_shared<File>()).first;
        }
        open_[next_] = {found->second, direct, {}};
        return next_++;
    }
    void close(int file) override {
        if (!open_.contains(file)) std::abort();
        locks_.erase(open_[file].lock);
        open_.erase(file);
    }
    std::int64_t size(int file) override {
        if (auto const result = asked(FileCall::size, 0, false)) return *result;
        return static_cast<std::int64_t>(of(file).bytes.size());
    }
    std::int64_t pread(int file, std::span<std::byte> to, std::uint64_t offset) override {
        if (misaligned(file, to, offset)) return -EINVAL;
        auto const result = asked(FileCall::pread, to.size(), open_[file].direct);
        if (result && *result < 0) return *result;
        auto const& bytes = of(file).bytes;
        if (offset >= bytes.size()) return 0;
        auto const count =
            std::min({to.size(), bytes.size() - offset, static_cast<std::size_t>(result.value_or(INT64_MAX))});
        std::memcpy(to.data(), bytes.data() + offset, count);
        return static_cast<std::int64_t>(count);
    }
    std::int64_t pwrite(int file, std::span<std::byte const> from, std::uint64_t offset) override {
        if (misaligned(file, from, offset)) return -EINVAL;
        auto const result = asked(FileCall::pwrite, from.size(), open_[file].direct);
        if (result && *result < 0) return *result;
        auto& bytes = of(file).bytes;
        auto count = std::min(from.size(), static_cast<std::size_t>(result.value_or(INT64_MAX)));
        std::uint64_t taken = 0;
        for (auto const& [path, other] : names_) taken += other->bytes.size();
        auto const free = disk_bytes - std::min(disk_bytes, taken);
        count = std::min<std::size_t>(count, bytes.size() - std::min(bytes.size(), offset) + free);
        if (count == 0) return -ENOSPC;
        bytes.resize(std::max(bytes.size(), offset + count));
        std::memcpy(bytes.data() + offset, from.data(), count);
        return static_cast<std::int64_t>(count);
    }
    int ftruncate(int file, std::uint64_t length) override {
        if (auto const result = asked(FileCall::ftruncate, 0, false)) return static_cast<int>(*result);
        of(file).bytes.resize(length);
        return 0;
    }
    int fdatasync(int file) override {
        if (auto const result = asked(FileCall::fdatasync, 0, false)) return static_cast<int>(*result);
        of(file).synced = of(file).bytes;
        return 0;
    }
    int unlink(std::string const& path) override {
        if (auto const result = asked(FileCall::unlink, 0, false)) return static_cast<int>(*result);
        return names_.erase(path) == 1 ? 0 : -ENOENT;
    }
    int make_folders(std::string const&) override { return 0; }
    int sync_folder(std::string const&) override {
        if (auto const result = asked(FileCall::sync_folder, 0, false)) return static_cast<int>(*result);
        synced_names_ = names_;
        return 0;
    }
    int list(std::string const& folder, std::vector<std::string>& found) override {
        if (auto const result = asked(FileCall::list, 0, false)) return static_cast<int>(*result);
        for (auto const& [path, file] : names_)
            if (path.starts_with(folder + "/")) found.push_back(path.substr(folder.size() + 1));
        return 0;
    }
    int lock(std::string const& path) override {
        if (!locks_.insert(path).second) return -EWOULDBLOCK;
        open_[next_] = {std::make_shared<File>(), false, path};
        return next_++;
    }
    std::unique_ptr<ReadQueue> read_ring(unsigned depth, int& error) override {
        error = has_rings ? 0 : -EPERM;
        if (!has_rings) return nullptr;
        return std::make_unique<Ring>(*this, depth);
    }

  private:
    struct File {
        std::string bytes;
        std::string synced;
    };
    struct Open {
        std::shared_ptr<File> file;
        bool direct = false;
        std::string lock;
    };
    /// Reads end in any order; buffers are written when they end.
    class Ring : public ReadQueue {
      public:
        Ring(MemoryFiles& files, unsigned depth) : files_(files), depth_(depth) {}
        ~Ring() override {
            while (!started_.empty()) finish();
        }
        unsigned depth() const override { return depth_; }
        void start(int file, std::span<std::byte> to, std::uint64_t offset, std::uint64_t tag) override {
            if (started_.size() >= depth_) std::abort();
            started_.push_back({file, to, offset, tag});
        }
        Ended finish() override {
            if (started_.empty()) std::abort();
            std::swap(started_[files_.random() % started_.size()], started_.back());
            auto const read = started_.back();
            started_.pop_back();
            return {read.tag, files_.pread(read.file, read.to, read.offset)};
        }

      private:
        struct Started {
            int file;
            std::span<std::byte> to;
            std::uint64_t offset;
            std::uint64_t tag;
        };
        MemoryFiles& files_;
        unsigned depth_;
        std::vector<Started> started_;
    };

    File& of(int file) {
        if (!open_.contains(file)) std::abort();
        return *open_[file].file;
    }
    std::optional<std::int64_t> asked(FileCall call, std::size_t bytes, bool direct) {
        return fault ? fault(call, bytes, direct) : std::nullopt;
    }
    template <class Bytes>
    bool misaligned(int file, Bytes bytes, std::uint64_t offset) {
        of(file);
        return open_[file].direct &&
               (offset | bytes.size() | reinterpret_cast<std::uintptr_t>(bytes.data())) % direct_alignment != 0;
    }

    std::map<std::string, std::shared_ptr<File>> names_;
    std::map<std::string, std::shared_ptr<File>> synced_names_;
    std::map<int, Open> open_;
    std::set<std::string> locks_;
    int next_ = 3;
};

}  // namespace kvstone
