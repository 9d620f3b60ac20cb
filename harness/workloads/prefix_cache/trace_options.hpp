#pragma once
// The options of cache workloads for the source of their requests.

#include <string>
#include <vector>

#include "harness/workloads/prefix_cache/entry_cost.hpp"
#include "harness/workloads/prefix_cache/generated_trace.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// trace, requests, and the parameters of drawn requests.
std::vector<WorkloadOption> trace_options();

/// Reads the trace from end to end. Throws ConfigError: with file and line where the trace is broken, and where options
/// contradict each other.
void check_trace_options(Json const& options, Json const& locator);

struct TraceSettings {
    std::uint64_t most_requests = 0;  ///< of a file; 0: all
    GeneratedTrace generated;         ///< where no file is named
};
TraceSettings trace_settings(Json const& options);

/// The trace of a cell whose blocks have the size of `cost`. Throws NotApplicable where a file counts in blocks of
/// another size.
RequestTrace trace_of(Cell const& cell, TraceSettings const& settings, EntryCost const& cost);

}  // namespace kvstone
