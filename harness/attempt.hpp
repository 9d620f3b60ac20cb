#pragma once
// One attempt, one process: how an attempt is asked for and how it ends.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "results/build.hpp"
#include "results/measurement.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// What `kvstone-attempt` reads as JSON from standard input. It answers with one Measurement as JSON on descriptor 3.
struct AttemptRequest {
    Cell cell;
    Measure measure;
    std::string attempt_id;
    int process = 0;
    std::string source_hash = this_build().source_hash;  ///< of who asks: another build's attempt refuses
};
Json to_json(AttemptRequest const& request);
AttemptRequest attempt_request_from_json(Json const& json);

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

/// A small process, forked before MPI and Kokkos start, that spawns the attempts: a child of a large or threaded
/// process would inherit its peak size. It, and every process below it, dies with the thread that made it. It has a
/// session of its own and ignores what asks a program to end, so that signals to a whole process group or job leave the
/// decision to its parent. Each child gets a session of its own and, when its first process ends, whatever it left
/// running is killed; its descriptors are 0 to 3, its signals are at their defaults, it leaves no core file, and the kernel
/// takes it first when memory runs out. Under an MPI launcher, which pins each rank, children may use every processor of the
/// node that the cgroup allows; otherwise the processors of whoever started KVstone (taskset is obeyed). Not thread safe, but
/// for cancel(): one child at a time.
class Spawner {
  public:
    Spawner();  ///< forks. Throws SystemError.
    ~Spawner();
    Spawner(Spawner const&) = delete;
    Spawner& operator=(Spawner const&) = delete;
    /// Runs one child to its end. Throws SystemError where the helper is gone.
    ChildOutcome run(ChildCommand const& command);
    /// Kills and reaps the running child with all its descendants; from now on run() returns at once, with `cancelled`
    /// set. For any thread.
    void cancel();
    /// Physical cores that children may use.
    int cores() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// The attempt's program: $KVSTONE_ATTEMPT, else `kvstone-attempt` beside this one. Throws SystemError where there is
/// none.
std::string attempt_program();
/// A command for that program on a backend: its environment (nothing is inherited but PATH, HOME, XDG_CACHE_HOME,
/// LD_LIBRARY_PATH, TMPDIR, CUDA_VISIBLE_DEVICES and KVSTONE_*) and its memory limits. `threads` 0: all cores;
/// `memory_bytes` 0: what the machine has available less a reserve, so that a runaway cannot take the node down.
ChildCommand attempt_command(Spawner const& spawner, std::string const& backend, int threads,
                             std::uint64_t memory_bytes);

/// Runs an attempt at a cell through the spawner and turns whatever happened into a Measurement with a status.
Measurement run_attempt(Spawner& spawner, AttemptRequest const& request);

}  // namespace kvstone
