#include "harness/workloads/prefix_cache/prefix_cache_figures.hpp"

#include <fmt/format.h>

#include "harness/workloads/prefix_cache/cache_figures.hpp"

namespace kvstone {
namespace {

double original_bytes(EntryCost const& cost) { return static_cast<double>(cost.values * element_bytes(cost.type)); }

void add_writes(FigureWriter& figures, RequestTrace const& trace, StoreCounters const& blocks, EntryBytes const& bytes,
                EntryCost const& cost) {
    figures.add_count("entry_writes", blocks.writes);
    figures.add_count("written_bytes", bytes.written);
    auto const distinct = static_cast<double>(trace.distinct) * static_cast<double>(cost.stored_bytes);
    figures.add("write_amplification", static_cast<double>(bytes.written) / distinct);
    figures.add_count("writes_avoided", blocks.not_admitted);
    figures.add_count("evictions", blocks.evictions);
    figures.add_count("evicted_bytes", bytes.evicted);
    figures.add_count("expirations", blocks.expirations);
    figures.add_count("expired_bytes", bytes.expired);
}

}  // namespace

EntryBytes entry_bytes(ReplayResult const& replayed, std::uint64_t bytes_of_entry) {
    auto const& blocks = replayed.blocks;
    return {blocks.writes * bytes_of_entry, replayed.entries_held * bytes_of_entry, blocks.evictions * bytes_of_entry,
            blocks.expirations * bytes_of_entry};
}

void add_sizes(FigureWriter& figures, EntryCost const& cost, std::uint64_t capacity) {
    figures.add_count("stored_entry_bytes", cost.entry_bytes());
    figures.add("ratio_vs_fp16", share_of(2 * cost.values, cost.stored_bytes));
    if (capacity != never_again) figures.add_count("entries", capacity);
}

void add_counts(FigureWriter& figures, RequestTrace const& trace, ReplayResult const& replayed, EntryBytes const& bytes,
                EntryCost const& cost) {
    add_hits(figures, replayed);
    figures.add_count("token_hits_unbounded", trace.repeated_tokens);
    if (trace.shared_below_block) {
        figures.add_count("tokens_shared_below_block", *trace.shared_below_block);
        figures.add_count("tokens_not_shared",
                          replayed.token_lookups - trace.repeated_tokens - *trace.shared_below_block);
    }
    figures.add_count("entries_held", replayed.entries_held);
    figures.add_count("held_bytes", bytes.held);
    add_writes(figures, trace, replayed.blocks, bytes, cost);
}

void add_time_saved(FigureWriter& figures, TimeSaved const& saved) {
    figures.add("time_saved_percent", saved.percent);
    figures.add_count("refused_hits", saved.refused_hits);
}

void add_coding_times(FigureWriter& figures, EntryCost const& cost) {
    for (auto const& [pass, seconds] : {std::pair{"encode", *cost.encode_s}, {"decode", *cost.decode_s}}) {
        auto const ns = 1e9 * seconds;
        figures.add(fmt::format("{}_ns", pass), ns);
        figures.add(fmt::format("{}_gb_per_s", pass), original_bytes(cost) / ns);
    }
}

void add_rates(FigureWriter& figures, RequestTrace const& trace, double books_s, HashedReplay const& hashed) {
    auto const lookups = static_cast<double>(hashed.replayed.blocks.lookups);
    figures.add("block_lookups_per_s", lookups / books_s);
    figures.add("hashed_lookups_per_s", lookups / hashed.all_s);
    figures.add("hash_ns_per_block", 1e9 * hashed.hashing_s / static_cast<double>(trace.blocks.size()));
}

void add_live(FigureWriter& figures, RequestTrace const& trace, LiveResult const& live, EntryCost const& cost) {
    auto const& times = live.times;
    figures.add_count("entries_verified", live.entries_verified);
    figures.add("nmse", live.errors.nmse());
    figures.add("max_abs_error", live.errors.max_abs_error);
    if (times.all == 0) return;
    auto const lookups = static_cast<double>(live.replayed.blocks.lookups);
    figures.add("block_lookups_per_s", lookups / times.all);
    figures.add("hash_ns_per_block", 1e9 * times.hashing / static_cast<double>(trace.blocks.size()));
    auto const rate = [&](std::uint64_t blocks, double seconds) {
        return 1e-9 * static_cast<double>(blocks) * original_bytes(cost) / seconds;
    };
    if (times.encoded_blocks > 0) figures.add("write_gb_per_s", rate(times.encoded_blocks, times.storing));
    if (times.loaded_blocks > 0) figures.add("read_gb_per_s", rate(times.loaded_blocks, times.loading));
    if (times.without == 0) return;
    auto const with = times.hashing + times.looking_up + times.loading + times.computing + times.storing;
    figures.add("time_saved_by_clock_percent", 100 * (1 - with / times.without));
}

}  // namespace kvstone
