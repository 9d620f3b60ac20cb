#include "harness/workloads/tier/tier.hpp"

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "harness/workloads/prefix_cache/cache_figures.hpp"
#include "harness/workloads/tier/live_run.hpp"
#include "harness/workloads/tier/live_tiers.hpp"
#include "harness/workloads/tier/tier_figures.hpp"
#include "harness/workloads/verify.hpp"

namespace kvstone {
namespace {

TierEntryBytes entry_bytes_of(AttemptRequest const& request, TierSettings const& settings, EntryCost const& cost,
                              Measurement& measurement) {
    TierEntryBytes bytes;
    bytes.raw = cost.values * element_bytes(cost.type);
    bytes.hot = settings.hot_codec ? cost.entry_bytes() : bytes.raw;
    bytes.cold = settings.cold_codec ? cost.entry_bytes() : bytes.raw;
    if (settings.cold_codec && *settings.cold_codec != request.cell.codec) {
        auto other = request;
        other.cell.codec = *settings.cold_codec;
        bytes.cold = measure_entry(other, false, false, measurement).entry_bytes();
    }
    return bytes;
}

std::uint64_t capacity_of(char const* tier, std::uint64_t budget_bytes, std::uint64_t entry_bytes) {
    auto const entries = budget_bytes / entry_bytes;
    if (entries == 0)
        throw NotApplicable(fmt::format("an entry of the {} tier has {} bytes, its budget", tier, entry_bytes),
                            fmt::format("{} B", budget_bytes));
    return entries;
}

}  // namespace

void run_tier(AttemptRequest const& request, Measurement& measurement) {
    auto const settings = tier_settings(request.cell);
    auto const cost = measure_entry(request, false, false, measurement);
    auto const trace = trace_of(request.cell, settings.trace, cost);
    auto const bytes = entry_bytes_of(request, settings, cost, measurement);
    TierRules const rules{.hot = capacity_of("hot", settings.hot_budget_bytes, bytes.hot),
                          .cold = capacity_of("cold", settings.cold_budget_bytes, bytes.cold),
                          .order = settings.order};

    FigureWriter figures(measurement, "kv");
    figures.add_count("hot_entry_bytes", bytes.hot);
    figures.add_count("cold_entry_bytes", bytes.cold);
    figures.add("ratio_vs_fp16", share_of(2 * cost.values, bytes.cold));
    figures.add_count("hot_entries", rules.hot);
    figures.add_count("cold_entries", rules.cold);
    figures.add_count("hot_alone_hits", replay(trace, {.capacity = rules.hot, .order = rules.order}).blocks.hits);
    try {
        auto const replayed =
            settings.live ? run_live(request, settings, trace, rules, bytes, measurement) : replay_tiers(trace, rules);
        add_tier_counts(figures, replayed, bytes.cold);
    } catch (WrongEntry const& error) {
        refuse(measurement, Status::verify_failed, "kv", error.what());
    }
    add_memory_peaks(measurement, backend_named(request.cell.backend));
}

}  // namespace kvstone
