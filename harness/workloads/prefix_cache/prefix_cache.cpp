#include "harness/workloads/prefix_cache/prefix_cache.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "codecs/container/container.hpp"
#include "codecs/not_applicable.hpp"
#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/prefix_cache/prefix_cache_options.hpp"

namespace kvstone {
namespace {

/// Everything on which the bytes of a cell's entries depend.
BlockKey root_of(Cell const& cell, EntryCost const& cost) {
    return root_key({.source = cell.source.dump(),
                     .element_type = std::string(name_of(cost.type)),
                     .layout = "layer head token dim",
                     .codec = cell.codec,
                     .formats = stage_formats(Codec::parse(cell.codec)),
                     .block_tokens = cost.block_tokens});
}

RequestTrace trace_of(Cell const& cell, PrefixCacheSettings const& settings, EntryCost const& cost) {
    auto const path = trace_path(cell.locator);
    if (path.empty()) return generate_trace(settings.generated, cost.block_tokens, root_of(cell, cost));
    auto trace = read_trace(path, settings.most_requests);
    if (trace.block_tokens != cost.block_tokens)
        throw NotApplicable(fmt::format("the trace's blocks have {} tokens, the context", trace.block_tokens),
                            std::to_string(cost.block_tokens), {fmt::format("context: [{}]", trace.block_tokens)});
    return trace;
}

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

double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
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

void add_counts(FigureWriter& figures, ReplayResult const& replayed, std::uint64_t entry_bytes) {
    auto const& blocks = replayed.blocks;
    figures.add_count("block_lookups", blocks.lookups);
    figures.add_count("block_hits", blocks.hits);
    figures.add("block_hit_rate", share(blocks.hits, blocks.lookups));
    figures.add_count("token_lookups", replayed.token_lookups);
    figures.add_count("token_hits", replayed.token_hits);
    figures.add("token_hit_rate", share(replayed.token_hits, replayed.token_lookups));
    figures.add_count("request_lookups", replayed.requests);
    figures.add_count("request_hits_any", replayed.request_hits_any);
    figures.add_count("request_hits_all", replayed.request_hits_all);
    figures.add("request_any_hit_rate", share(replayed.request_hits_any, replayed.requests));
    figures.add("request_all_hit_rate", share(replayed.request_hits_all, replayed.requests));
    figures.add_count("entries_held", replayed.entries_held);
    figures.add_count("held_bytes", replayed.entries_held * entry_bytes);
    figures.add_count("entry_writes", blocks.writes);
    figures.add_count("written_bytes", blocks.writes * entry_bytes);
    figures.add_count("writes_avoided", blocks.not_admitted);
    figures.add_count("evictions", blocks.evictions);
    figures.add_count("expirations", blocks.expirations);
}

}  // namespace

void run_prefix_cache(AttemptRequest const& request, Measurement& measurement) {
    auto const settings = prefix_cache_settings(request.cell.options);
    auto const cost = measure_entry(request, settings.by_layer, settings.serving.has_value(), measurement);
    auto const trace = trace_of(request.cell, settings, cost);
    auto rules = settings.rules;
    rules.capacity = capacity_of(settings, cost);
    auto const replayed =
        cost.entries == 1 ? replay(trace, rules) : replay(with_layers(trace, cost.entries), rules, cost.entries);

    FigureWriter figures(measurement, "kv");
    figures.add_count("stored_entry_bytes", cost.entry_bytes());
    figures.add("ratio_vs_fp16", share(2 * cost.values, cost.stored_bytes));
    if (rules.capacity != never_again) figures.add_count("entries", rules.capacity);
    add_counts(figures, replayed, cost.entry_bytes());
    if (settings.serving && cost.decode_s) {
        auto const saved = time_saved(trace, replayed, cost, *settings.serving);
        add_times(figures, cost);
        figures.add("time_saved_percent", saved.percent);
        figures.add_count("refused_hits", saved.refused_hits);
    }
    add_memory_peaks(measurement, backend_named(request.cell.backend));
}

}  // namespace kvstone
