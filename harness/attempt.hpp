#pragma once
// One attempt, one process: how an attempt is asked for and how it ends.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "results/measurement.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// What `kvstone-attempt` reads as JSON from standard input. It answers with one Measurement as JSON on descriptor 3.
struct AttemptRequest {
    Cell cell;
    Measure measure;
    std::string attempt_id;
    int process = 0;
};
Json to_json(AttemptRequest const& request);
AttemptRequest attempt_request_from_json(Json const& json);

/// How a child process of any kind ended.
struct ChildOutcome {
    int exit_code = -1;  ///< -1: ended by a signal
    int signal = 0;
    bool timed_out = false;         ///< killed at its time limit
    bool memory_exceeded = false;   ///< killed at its memory limit
    std::string output;             ///< what it wrote to descriptor 3
    std::string stderr_tail;        ///< the last 4,000 bytes of standard error
    std::int64_t wall_ns = 0;
    std::uint64_t peak_rss_bytes = 0;  ///< its VmHWM as last seen
};

struct ChildCommand {
    std::vector<std::string> arguments;              ///< arguments[0] is the path
    std::map<std::string, std::string> environment;  ///< the whole of it: nothing is inherited
    std::string input;                               ///< standard input
    double timeout_s = 0;                            ///< 0: none
    std::uint64_t memory_bytes = 0;                  ///< 0: no limit
};

/// A small process, forked before MPI and Kokkos start, that spawns the attempts: a child of a large or threaded process
/// would inherit its peak size. It, and every child it spawned, dies with the process that made it.
class Spawner {
 public:
    Spawner();  ///< forks. Throws SystemError.
    ~Spawner();
    Spawner(Spawner const&) = delete;
    Spawner& operator=(Spawner const&) = delete;
    /// Runs one child to its end. Throws SystemError where the helper is gone.
    ChildOutcome run(ChildCommand const& command);

 private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Runs an attempt at a cell through the spawner and turns whatever happened into a Measurement with a status.
Measurement run_attempt(Spawner& spawner, AttemptRequest const& request);

}  // namespace kvstone
