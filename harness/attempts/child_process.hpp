#pragma once
// One child process from fork to reaping, watched by a process that has no other work.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kvstone {

/// How a child process of any kind ended.
struct ChildOutcome {
    int exit_code = -1;  ///< -1: ended by a signal; 127, with a line on standard error: not started
    int signal = 0;
    bool timed_out = false;        ///< killed at its time limit
    bool memory_exceeded = false;  ///< killed at its memory limit
    bool oom_killed = false;       ///< killed by the kernel because memory ran out
    bool cancelled = false;        ///< killed by Spawner::cancel, or not begun because of it
    std::string output;            ///< its output on descriptor 3, 64 MiB at most
    std::string stderr_tail;       ///< the last 4,000 bytes of standard output and error, valid UTF-8
    std::int64_t wall_ns = 0;
    std::uint64_t peak_rss_bytes = 0;  ///< its VmHWM as last seen
};

/// Three limits of memory: `data_bytes` makes malloc fail inside the child (RLIMIT_DATA), which the child can report
/// itself; the spawner reads VmRSS every 20 ms and kills above `memory_bytes`; and where the kernel was faster, its
/// oom_kill counter (of the cgroup, else of the machine) tells `oom_killed` from any other SIGKILL.
struct ChildCommand {
    std::vector<std::string> arguments;              ///< arguments[0] is the path
    std::map<std::string, std::string> environment;  ///< complete: no variable is inherited
    std::string input;                               ///< standard input
    double timeout_s = 0;                            ///< 0: none
    std::uint64_t memory_bytes = 0;                  ///< 0: no limit
    std::uint64_t data_bytes = 0;                    ///< 0: no limit
};

/// Runs a child to its end, and kills the processes that it left behind. `owner` is a connected socket: where it
/// becomes readable meanwhile, the child is killed and its outcome is `cancelled` (the message stays unread); where it
/// is closed, the child is killed and this process ends. Requires a single-threaded process that ignores SIGPIPE and
/// reaps no other children. Throws SystemError where no process or pipe can be made.
ChildOutcome run_child(ChildCommand const& command, int owner);

/// Kills the running child's session, if there is one. Async-signal-safe.
void kill_running_child() noexcept;

/// The last `bytes` of a text, with bytes that are not UTF-8 replaced by U+FFFD.
std::string utf8_tail(std::string_view text, std::size_t bytes);

}  // namespace kvstone
