#pragma once
// A workload turns a cell into figures, inside an attempt's process.

#include <string>
#include <vector>

#include "harness/attempt.hpp"

namespace kvstone {

/// Fills figures, samples, profiles and, where verification fails, status and reason. May throw anything: the attempt
/// turns exceptions into `error` (or `oom` for std::bad_alloc).
using WorkloadFunction = void (*)(AttemptRequest const& request, Measurement& measurement);

/// What a scenario may set of a workload, as in `attention:queries=256`: a whole number from `least` to `most`, or one of
/// `names`. Defaults never change: they are left out of the identity of cells.
struct WorkloadOption {
    std::string key;
    std::string by_default;
    std::uint64_t least = 0;
    std::uint64_t most = 0;
    std::vector<std::string> names = {};
};

struct Workload {
    std::string name;
    std::string summary;
    WorkloadFunction run;
    std::vector<WorkloadOption> options = {};
};

std::vector<Workload> const& workloads();

}  // namespace kvstone
