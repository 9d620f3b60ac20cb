#include "harness/workloads/prefix_cache/prefix_cache.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "harness/workloads/prefix_cache/cache_figures.hpp"
#include "harness/workloads/prefix_cache/prefix_cache_options.hpp"

namespace kvstone {
namespace {

/// Entries that fit; never_again: as many as there are.
std::uint64_t capacity_of(PrefixCacheSettings const& settings, EntryCost const& cost) {
    if (settings.blocks != 0) return settings.blocks;
    if (settings.budget_bytes == 0) return never_again;
    auto const entries = settings.budget_bytes / cost.entry_bytes();
    if (entries == 0)
        throw NotApplicable(fmt::format("an entry has {} bytes, the budget", cost.entry_bytes()),
                            fmt::format("{} B", settings.budget_bytes));
    return entries;
}

/// Of coding one block.
void add_times(FigureWriter& figures, EntryCost const& cost) {
    auto const bytes = static_cast<double>(cost.values * element_bytes(cost.type));
    for (auto const& [pass, seconds] : {std::pair{"encode", *cost.encode_s}, {"decode", *cost.decode_s}}) {
        auto const ns = 1e9 * seconds;
        figures.add(fmt::format("{}_ns", pass), ns);
        figures.add(fmt::format("{}_gb_per_s", pass), bytes / ns);
    }
}

}  // namespace

void run_prefix_cache(AttemptRequest const& request, Measurement& measurement) {
    auto const settings = prefix_cache_settings(request.cell.options);
    auto const cost = measure_entry(request, settings.by_layer, settings.serving.has_value(), measurement);
    auto const trace = trace_of(request.cell, settings.trace, cost);
    auto rules = settings.rules;
    rules.capacity = capacity_of(settings, cost);
    auto const replayed =
        cost.entries == 1 ? replay(trace, rules) : replay(with_layers(trace, cost.entries), rules, cost.entries);

    FigureWriter figures(measurement, "kv");
    figures.add_count("stored_entry_bytes", cost.entry_bytes());
    figures.add("ratio_vs_fp16", share_of(2 * cost.values, cost.stored_bytes));
    if (rules.capacity != never_again) figures.add_count("entries", rules.capacity);
    add_hits(figures, replayed);
    add_writes(figures, replayed, cost.entry_bytes());
    if (settings.serving && cost.decode_s) {
        auto const saved = time_saved(trace, replayed, cost, *settings.serving);
        add_times(figures, cost);
        figures.add("time_saved_percent", saved.percent);
        figures.add_count("refused_hits", saved.refused_hits);
    }
    add_memory_peaks(measurement, backend_named(request.cell.backend));
}

}  // namespace kvstone
