#pragma once

#include <optional>
#include <string>
#include <vector>

#include "codecs/codec.hpp"
#include "harness/cache/block_store.hpp"
#include "harness/cache/segments/segment_rules.hpp"
#include "harness/workloads/prefix_cache/trace_options.hpp"
#include "scenarios/scenario.hpp"

namespace kvstone {

/// See `kvstone list workloads`.
std::vector<WorkloadOption> tier_options();

/// Throws ConfigError where options contradict each other, where `cold_codec` is no codec, and with file and line where
/// the trace is broken.
void check_tier(Json const& options, Json const& locator);

/// `compress: neither` measures no codec: cells with other codecs than `raw` are skipped.
std::string tier_skips(Codec const& codec, Json const& options);

/// The options of a cell.
struct TierSettings {
    bool live = false;
    TraceSettings trace;
    std::optional<std::string> hot_codec;   ///< empty: the values without a codec
    std::optional<std::string> cold_codec;  ///< empty: the same
    std::uint64_t hot_budget_bytes = 0;
    std::uint64_t cold_budget_bytes = 0;
    WriteOrder order = WriteOrder::head_first;
    SegmentIo io = SegmentIo::io_uring;
    SegmentSync sync = SegmentSync::segment;
    std::uint64_t segment_bytes = 0;
    double link_bytes_per_s = 0;  ///< 0: no limit
    bool break_even = false;
};
TierSettings tier_settings(Cell const& cell);

}  // namespace kvstone
