#include "harness/attempts/process_memory.hpp"

#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

namespace kvstone {
namespace {

constexpr auto kPeriod = std::chrono::milliseconds(20);

/// The number behind `key` at the start of a line.
std::optional<std::uint64_t> field(std::string_view text, std::string_view key) {
    for (std::size_t at = text.find(key); at != std::string_view::npos; at = text.find(key, at + 1)) {
        if (at != 0 && text[at - 1] != '\n') continue;
        auto const begin = text.find_first_of("0123456789\n", at + key.size());
        std::uint64_t value = 0;
        if (begin != std::string_view::npos &&
            std::from_chars(text.data() + begin, text.data() + text.size(), value).ec == std::errc{})
            return value;
    }
    return std::nullopt;
}

std::string read_text(std::string const& path) {
    std::ifstream file(path);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::uint64_t kilobytes(std::string const& path, std::string_view key) {
    return field(read_text(path), key).value_or(0) * 1024;
}

/// The kernel lists children by the thread that started them.
std::uint64_t peak_rss_below(std::string const& process) {
    std::uint64_t bytes = 0;
    std::error_code gone;
    std::filesystem::directory_iterator thread(process + "/task", gone);
    for (; thread != std::filesystem::directory_iterator(); thread.increment(gone)) {
        std::istringstream children(read_text(thread->path().string() + "/children"));
        for (std::string child; children >> child;)
            bytes += kilobytes("/proc/" + child + "/status", "VmHWM:") + peak_rss_below("/proc/" + child);
    }
    return bytes;
}

}  // namespace

MemoryWatch::MemoryWatch(pid_t pid)
    : status_(open(("/proc/" + std::to_string(pid) + "/status").c_str(), O_RDONLY | O_CLOEXEC)),
      next_(std::chrono::steady_clock::now() + kPeriod) {}

MemoryWatch::~MemoryWatch() {
    if (status_ >= 0) close(status_);
}

bool MemoryWatch::due() {
    auto const now = std::chrono::steady_clock::now();
    if (now < next_) return false;
    next_ = now + kPeriod;
    std::array<char, 4096> block;
    auto const size = pread(status_, block.data(), block.size(), 0);
    if (size <= 0) return false;
    std::string_view const text(block.data(), static_cast<std::size_t>(size));
    auto const resident = field(text, "VmRSS:");
    auto const peak = field(text, "VmHWM:");
    if (!resident || !peak) return false;  // a zombie has none
    resident_bytes_ = *resident * 1024;
    peak_bytes_ = *peak * 1024;
    return true;
}

std::uint64_t own_peak_rss_bytes() { return kilobytes("/proc/self/status", "VmHWM:"); }
std::uint64_t descendants_peak_rss_bytes() { return peak_rss_below("/proc/self"); }
std::uint64_t own_resident_bytes() { return kilobytes("/proc/self/status", "VmRSS:"); }

std::uint64_t available_memory_bytes() { return kilobytes("/proc/meminfo", "MemAvailable:"); }

std::uint64_t oom_kill_count() {
    // Lines read "0::/path" (v2) or "9:memory:/path" (v1).
    std::istringstream groups(read_text("/proc/self/cgroup"));
    for (std::string line; std::getline(groups, line);) {
        auto const path = line.substr(line.rfind(':') + 1);
        std::string file;
        if (line.starts_with("0::")) file = "/sys/fs/cgroup" + path + "/memory.events";
        if (line.find(":memory:") != std::string::npos) file = "/sys/fs/cgroup/memory" + path + "/memory.oom_control";
        if (file.empty()) continue;
        if (auto const count = field(read_text(file), "oom_kill ")) return *count;
    }
    return field(read_text("/proc/vmstat"), "oom_kill ").value_or(0);
}

}  // namespace kvstone
