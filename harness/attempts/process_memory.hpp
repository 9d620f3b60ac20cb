#pragma once
// The kernel's figures about the memory of processes.

#include <chrono>
#include <cstdint>

#include <sys/types.h>

namespace kvstone {

/// Reads another process's memory, every 20 ms at most.
class MemoryWatch {
  public:
    explicit MemoryWatch(pid_t pid);
    ~MemoryWatch();
    MemoryWatch(MemoryWatch const&) = delete;
    MemoryWatch& operator=(MemoryWatch const&) = delete;

    /// Reads where 20 ms have passed since the last time; false where they have not, or the process is gone.
    bool due();
    std::uint64_t resident_bytes() const { return resident_bytes_; }  ///< VmRSS
    std::uint64_t peak_bytes() const { return peak_bytes_; }          ///< VmHWM

  private:
    int status_;
    std::chrono::steady_clock::time_point next_;
    std::uint64_t resident_bytes_ = 0;
    std::uint64_t peak_bytes_ = 0;
};

/// Highest resident size of this process since its exec. It is not ru_maxrss, which starts at its spawner's.
std::uint64_t own_peak_rss_bytes();
/// The same of the processes that this one has started and that still run, and of those that they have started, added.
std::uint64_t descendants_peak_rss_bytes();
/// Resident size of this process now.
std::uint64_t own_resident_bytes();
/// Memory that the machine could give to a new process without swapping.
std::uint64_t available_memory_bytes();
/// How often the kernel killed a process because memory ran out: in this process's cgroup where that can be read, else
/// on the machine.
std::uint64_t oom_kill_count();

}  // namespace kvstone
