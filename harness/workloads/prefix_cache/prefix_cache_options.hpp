#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/workloads/prefix_cache/replay.hpp"
#include "harness/workloads/prefix_cache/time_saved.hpp"
#include "harness/workloads/prefix_cache/trace_options.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// See `kvstone list workloads`.
std::vector<WorkloadOption> prefix_cache_options();

/// Reads the trace from end to end. Throws ConfigError: with file and line where the trace is broken, and where options
/// contradict each other.
void check_prefix_cache(Json const& options, Json const& locator);

/// The options of a cell.
struct PrefixCacheSettings {
    TraceSettings trace;
    std::uint64_t blocks = 0;        ///< 0: not given
    std::uint64_t budget_bytes = 0;  ///< 0: not given
    StoreRules rules;                ///< all but the capacity
    bool by_layer = false;
    bool live = false;
    std::uint64_t threads = 1;  ///< clients
    std::optional<ServingModel> serving;
};
PrefixCacheSettings prefix_cache_settings(Json const& options);

}  // namespace kvstone
