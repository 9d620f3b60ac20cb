#pragma once
// One attempt, one process: the request for an attempt, and its outcome.

#include <string>

#include "harness/attempts/spawner.hpp"
#include "results/record/build.hpp"
#include "results/record/measurement.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// The JSON that `kvstone-attempt` reads from standard input. It answers with one Measurement as JSON on descriptor 3.
struct AttemptRequest {
    Cell cell;
    Measure measure;
    std::string attempt_id;
    int process = 0;
    std::string source_hash = this_build().source_hash;  ///< of the asking build; an attempt of another build refuses
};
Json to_json(AttemptRequest const& request);
AttemptRequest attempt_request_from_json(Json const& json);

/// Names another program of attempts than this build's.
inline constexpr char attempt_variable[] = "KVSTONE_ATTEMPT";
/// The attempt's program: $KVSTONE_ATTEMPT, else own_helper("kvstone-attempt"). Throws SystemError where it does not
/// exist.
std::string attempt_program();
/// A command for that program on a backend: its environment (only these are inherited: PATH, HOME, XDG_CACHE_HOME,
/// LD_LIBRARY_PATH, TMPDIR, CUDA_VISIBLE_DEVICES and KVSTONE_*) and its memory limits. `threads` 0: all cores;
/// `memory_bytes` 0: the available memory of the machine less a reserve, so that no attempt can exhaust the node.
ChildCommand attempt_command(Spawner const& spawner, std::string const& backend, int threads,
                             std::uint64_t memory_bytes);

/// Runs an attempt at a cell through the spawner, and makes a Measurement with a status of any outcome.
Measurement run_attempt(Spawner& spawner, AttemptRequest const& request);

}  // namespace kvstone
