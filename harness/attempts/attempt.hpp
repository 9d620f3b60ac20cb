#pragma once
// One attempt, one process: how an attempt is asked for and how it ends.

#include <string>

#include "harness/attempts/spawner.hpp"
#include "results/record/build.hpp"
#include "results/record/measurement.hpp"
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
