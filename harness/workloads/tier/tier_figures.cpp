#include "harness/workloads/tier/tier_figures.hpp"

#include <cmath>

#include "harness/workloads/prefix_cache/cache_figures.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

/// GB/s of so many bytes a pass. Bytes per nanosecond are 10^9 bytes per second.
void add_rate(FigureWriter& figures, std::string const& metric, std::uint64_t bytes, std::vector<double> const& ns) {
    auto const all = static_cast<double>(bytes);
    std::optional<Interval> rate;
    if (auto const interval = median_interval(ns)) rate = Interval{all / interval->high, all / interval->low};
    figures.add(metric, all / median(ns), ns.size(), rate);
}

void add_median(FigureWriter& figures, std::string const& metric, std::vector<double> const& ns) {
    if (!ns.empty()) figures.add(metric, median(ns), ns.size(), median_interval(ns));
}

}  // namespace

void add_tier_counts(FigureWriter& figures, TierReplayResult const& replayed, std::uint64_t entry_bytes_cold) {
    auto const& tiers = replayed.tiers;
    add_hits(figures, replayed.both);
    figures.add_count("hot_hits", tiers.hot_hits);
    figures.add_count("cold_hits", tiers.cold_hits);
    figures.add_count("promotions", tiers.promotions);
    figures.add_count("demotions", tiers.demotions);
    figures.add_count("demoted_bytes", tiers.demotions * entry_bytes_cold);
    figures.add_count("entry_writes", tiers.writes + tiers.replacements);
    figures.add_count("evictions", tiers.drops);
    figures.add_count("lost_entries", tiers.losses);
    figures.add_count("entries_held", replayed.both.entries_held);
    figures.add_count("hot_entries_held", replayed.hot_held);
    figures.add_count("cold_entries_held", replayed.cold_held);
}

void add_live_figures(FigureWriter& figures, LiveTotals const& totals, SegmentCounters const& disk, bool timed) {
    figures.add_count("hot_peak_bytes", totals.hot_bytes_most);
    figures.add_count("cold_held_bytes", disk.payload_bytes);
    figures.add_count("cold_file_bytes", disk.disk_bytes);
    figures.add("file_write_amplification",
                disk.payload_bytes_written == 0 ? std::nullopt : std::optional(disk.write_amplification()));
    for (auto const& [tier, errors] : {std::pair{"hot", &totals.hot_errors}, {"cold", &totals.cold_errors}}) {
        if (errors->values == 0) continue;  // no hits
        figures.add(std::string(tier) + "_nmse", errors->nmse());
        figures.add(std::string(tier) + "_relative_error_l1", errors->relative_error_l1());
    }
    if (!timed) return;
    add_median(figures, "hot_hit_ns", totals.hot_hit_ns);
    add_median(figures, "cold_hit_ns", totals.cold_hit_ns);
}

void add_transfer_figures(FigureWriter& figures, TransferTimes const& times) {
    figures.add_count("transfer_entries", times.entries);
    auto const per_entry = [&](std::string const& metric, std::vector<double> ns) {
        for (auto& one : ns) one /= static_cast<double>(times.entries);
        add_median(figures, metric, ns);
    };
    per_entry("encode_ns", times.encode_ns);
    per_entry("decode_ns", times.decode_ns);
    add_rate(figures, "encode_gb_per_s", times.raw_bytes, times.encode_ns);
    add_rate(figures, "decode_gb_per_s", times.raw_bytes, times.decode_ns);
    add_rate(figures, "disk_write_gb_per_s", times.stored_bytes, times.disk_write_ns);
    add_rate(figures, "disk_read_gb_per_s", times.stored_bytes, times.disk_read_ns);
    add_rate(figures, "write_gb_per_s", times.raw_bytes, times.write_ns);
    add_rate(figures, "read_gb_per_s", times.raw_bytes, times.read_ns);
    figures.add("write_overlap_fraction", overlap_fraction(times.encode_ns, times.disk_write_ns, times.write_ns));
    figures.add("read_overlap_fraction", overlap_fraction(times.decode_ns, times.disk_read_ns, times.read_ns));
}

void add_samples(TransferTimes const& times, Measurement& measurement) {
    for (auto const& [metric, samples] : {std::pair{"encode_ns", &times.encode_ns}, {"decode_ns", &times.decode_ns}}) {
        auto per_entry = *samples;
        for (auto& ns : per_entry) ns /= static_cast<double>(times.entries);
        measurement.samples.push_back({"kv", metric, std::move(per_entry)});
    }
    auto const rates = [&](std::string const& metric, std::uint64_t bytes, std::vector<double> ns) {
        for (auto& one : ns) one = static_cast<double>(bytes) / one;
        measurement.samples.push_back({"kv", metric, std::move(ns)});
    };
    rates("disk_write_gb_per_s", times.stored_bytes, times.disk_write_ns);
    rates("disk_read_gb_per_s", times.stored_bytes, times.disk_read_ns);
    rates("write_gb_per_s", times.raw_bytes, times.write_ns);
    rates("read_gb_per_s", times.raw_bytes, times.read_ns);
}

void add_break_even_figures(FigureWriter& figures, FetchTimes const& fetches, std::uint64_t raw_bytes,
                            std::uint64_t stored_bytes, Measurement& measurement) {
    constexpr double bytes_per_gigabyte = 1e9;
    auto const computed = break_even_bytes_per_s(raw_bytes, stored_bytes, fetches.decode_s);
    figures.add("break_even_gb_per_s", computed / bytes_per_gigabyte);
    auto const seen = crossing_bytes_per_s(fetches.points);
    figures.add("crossing_gb_per_s", seen ? std::optional(*seen / bytes_per_gigabyte) : std::nullopt);
    figures.add("crossing_over_computed", seen ? std::optional(*seen / computed) : std::nullopt);
    for (auto const& point : fetches.points) {
        auto const link_mb_per_s = std::llround(point.bytes_per_s / 1e6);
        measurement.profiles.push_back({"kv", "raw_fetch_ns", -1, -1, link_mb_per_s, 1e9 * point.raw_s});
        measurement.profiles.push_back({"kv", "coded_fetch_ns", -1, -1, link_mb_per_s, 1e9 * point.coded_s});
    }
}

}  // namespace kvstone
