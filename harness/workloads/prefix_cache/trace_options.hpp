#pragma once
// Where the requests of a cache workload come from: options that these workloads share.

#include <string>
#include <vector>

#include "harness/workloads/prefix_cache/entry_cost.hpp"
#include "harness/workloads/prefix_cache/generated_trace.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// trace, requests, and what drawn requests are like.
std::vector<WorkloadOption> trace_options();

/// Reads the trace from end to end. Throws ConfigError naming file and line where it is broken, and where options do not
/// belong together.
void check_trace_options(Json const& options, Json const& locator);

struct TraceSettings {
    std::uint64_t most_requests = 0;  ///< of a file; 0: all
    GeneratedTrace generated;         ///< where no file is named
};
TraceSettings trace_settings(Json const& options);

/// The trace of a cell whose blocks are as `cost` has them. Throws NotApplicable where a file counts in others.
RequestTrace trace_of(Cell const& cell, TraceSettings const& settings, EntryCost const& cost);

}  // namespace kvstone
