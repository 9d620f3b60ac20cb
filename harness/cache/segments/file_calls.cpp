#include "harness/cache/segments/file_calls.hpp"

#include <cerrno>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/cache/segments/uring_queue.hpp"

namespace kvstone {
namespace {

/// The value of a call, or its error as a negative number.
template <class Call>
auto told(Call const& call) -> decltype(call()) {
    for (;;) {
        auto const result = call();
        if (result >= 0) return result;
        if (errno != EINTR) return -errno;
    }
}

class SystemFileCalls final : public FileCalls {
  public:
    int open(std::string const& path, int flags) override {
        return told([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0666); });
    }
    void close(int file) override { ::close(file); }
    std::int64_t size(int file) override {
        struct stat status{};
        return ::fstat(file, &status) == 0 ? std::int64_t{status.st_size} : -errno;
    }
    std::int64_t pread(int file, std::span<std::byte> to, std::uint64_t offset) override {
        return told([&] { return ::pread(file, to.data(), to.size(), static_cast<off_t>(offset)); });
    }
    std::int64_t pwrite(int file, std::span<std::byte const> from, std::uint64_t offset) override {
        return told([&] { return ::pwrite(file, from.data(), from.size(), static_cast<off_t>(offset)); });
    }
    int ftruncate(int file, std::uint64_t bytes) override {
        return told([&] { return ::ftruncate(file, static_cast<off_t>(bytes)); });
    }
    int fdatasync(int file) override {
        return told([&] { return ::fdatasync(file); });
    }
    int unlink(std::string const& path) override { return ::unlink(path.c_str()) == 0 ? 0 : -errno; }
    int make_folders(std::string const& path) override {
        std::error_code error;
        std::filesystem::create_directories(path, error);
        return -error.value();
    }
    int sync_folder(std::string const& path) override {
        auto const folder = open(path, O_RDONLY | O_DIRECTORY);
        if (folder < 0) return folder;
        auto const result = told([&] { return ::fsync(folder); });
        ::close(folder);
        return result;
    }
    int list(std::string const& folder, std::vector<std::string>& names) override {
        std::error_code error;
        for (std::filesystem::directory_iterator at(folder, error);
             !error && at != std::filesystem::directory_iterator(); at.increment(error))
            names.push_back(at->path().filename().string());
        return -error.value();
    }
    int lock(std::string const& path) override {
        auto const file = open(path, O_RDWR | O_CREAT);
        if (file < 0) return file;
        auto const result = told([&] { return ::flock(file, LOCK_EX | LOCK_NB); });
        if (result >= 0) return file;
        ::close(file);
        return result;
    }
    std::unique_ptr<ReadQueue> read_ring(unsigned depth, int& error) override { return make_uring_queue(depth, error); }
};

}  // namespace

FileCalls& system_file_calls() {
    static SystemFileCalls calls;
    return calls;
}

}  // namespace kvstone
