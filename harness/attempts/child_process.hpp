#pragma once
// One child process from fork to reaping, watched by a process that does nothing else meanwhile.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kvstone {

/// How a child process of any kind ended.
struct ChildOutcome {
    int exit_code = -1;  ///< -1: ended by a signal; 127 with a line on standard error: could not be started
    int signal = 0;
    bool timed_out = false;        ///< killed at its time limit
    bool memory_exceeded = false;  ///< killed at its memory limit
    bool oom_killed = false;       ///< killed by the kernel for want of memory
    bool cancelled = false;        ///< killed by Spawner::cancel, or not begun because of it
    std::string output;            ///< what it wrote to descriptor 3, 64 MiB at most
    std::string stderr_tail;       ///< the last 4,000 bytes of standard output and error, valid UTF-8
    std::int64_t wall_ns = 0;
    std::uint64_t peak_rss_bytes = 0;  ///< its VmHWM as last seen
};

/// Three fences against memory: `data_bytes` makes malloc fail inside the child (RLIMIT_DATA), which it can report
/// itself; the spawner looks at VmRSS every 20 ms and kills above `memory_bytes`; and where the kernel was faster, its
/// oom_kill counter (of the cgroup, else of the machine) tells `oom_killed` from any other SIGKILL.
struct ChildCommand {
    std::vector<std::string> arguments;              ///< arguments[0] is the path
    std::map<std::string, std::string> environment;  ///< the whole of it: nothing is inherited
    std::string input;                               ///< standard input
    double timeout_s = 0;                            ///< 0: none
    std::uint64_t memory_bytes = 0;                  ///< 0: no limit
    std::uint64_t data_bytes = 0;                    ///< 0: no limit
};

/// Runs a child to its end, and kills what it left behind. Where `owner`, a connected socket, has anything to read
/// meanwhile, the child is killed and its outcome is `cancelled` (its output stays unread); where it hangs up, kills the
/// child and ends this process. Requires a single-threaded process that ignores SIGPIPE and reaps no other
/// children. Throws SystemError where no process or pipe can be made.
ChildOutcome run_child(ChildCommand const& command, int owner);

/// Kills the running child's session, if there is one. Async-signal-safe.
void kill_running_child() noexcept;

/// The last `bytes` of a text, with bytes that are not UTF-8 replaced by U+FFFD.
std::string utf8_tail(std::string_view text, std::size_t bytes);

}  // namespace kvstone
