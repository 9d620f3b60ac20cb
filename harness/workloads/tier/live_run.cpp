#include "harness/workloads/tier/live_run.hpp"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "harness/workloads/cell_tensors.hpp"
#include "harness/workloads/tier/live_tiers.hpp"
#include "harness/workloads/tier/scratch_folder.hpp"
#include "harness/workloads/tier/tier_figures.hpp"
#include "harness/workloads/verify.hpp"

namespace kvstone {
namespace {

/// At a time, values of so many bytes at the most; entries in any case.
constexpr std::uint64_t most_transfer_bytes = std::uint64_t{256} << 20;
constexpr std::uint64_t fewest_transfers = 4;
constexpr std::uint64_t most_transfers = 64;

/// The store's files may take twice the budget: promoted blocks leave holes until their segment is removed.
SegmentRules segment_rules(TierSettings const& settings, TierRules const& rules, TierEntryBytes const& entry) {
    auto const on_disk = SegmentStore::disk_bytes_of(entry.cold);
    if (on_disk > settings.segment_bytes)
        throw NotApplicable(fmt::format("an entry takes {} bytes on disk, a segment", on_disk),
                            fmt::format("{} B", settings.segment_bytes));
    return {.segment_bytes = settings.segment_bytes,
            .budget_bytes = 2 * rules.cold * on_disk + 4 * settings.segment_bytes,
            .io = settings.io,
            .sync = settings.sync};
}

/// Tells which way to the disk was used.
void add_mode(TierSettings const& settings, SegmentMode const& mode, Measurement& measurement) {
    measurement.engine = fmt::format("cold tier: {}, sync {}", mode.text(settings.io), name_of(settings.sync));
    if (mode.refused_errno != 0) warn(measurement, "cold tier: " + mode.text(settings.io));
}

void time_ways(AttemptRequest const& request, TierSettings const& settings, TierRules const& rules,
               BlockValues const& blocks, EntryForm& form, OpenStore const& open_empty, Measurement& measurement) {
    FigureWriter figures(measurement, "kv");
    auto const affordable =
        std::max(fewest_transfers, most_transfer_bytes / std::max<std::uint64_t>(1, blocks.bytes()));
    auto const times = time_transfers(blocks, form, open_empty,
                                      {.entries = std::min({rules.cold, most_transfers, affordable}),
                                       .promised = settings.sync != SegmentSync::none,
                                       .link_bytes_per_s = settings.link_bytes_per_s},
                                      request.measure);
    add_transfer_figures(figures, times);
    add_samples(times, measurement);
    if (!settings.break_even || !form.is_coded()) return;
    auto const bytes = form.encode(blocks.of_block(0));
    std::vector<std::byte> values(blocks.bytes());
    auto const fetches = time_fetches<PreciseClock>(break_even_links, blocks.bytes(), bytes.size(),
                                                    request.measure.repetitions, [&] { form.decode(bytes, values); });
    add_break_even_figures(figures, fetches, blocks.bytes(), bytes.size(), measurement);
}

}  // namespace

TierReplayResult run_live(AttemptRequest const& request, TierSettings const& settings, RequestTrace const& trace,
                          TierRules const& rules, TierEntryBytes const& entry, Measurement& measurement) {
    if (backend_named(request.cell.backend) != BackendKind::openmp)
        throw NotApplicable("mode live runs on the host, not on", request.cell.backend, {"backend: [openmp]"});
    auto const segments = segment_rules(settings, rules, entry);
    BlockValues const blocks(load_cell_tensors(request, {}, measurement));
    EntryForm hot_form(blocks, settings.hot_codec);
    EntryForm cold_form(blocks, settings.cold_codec);
    ColdScratch const scratch;
    bool const timed = request.measure.timing;
    auto const replayed = [&] {
        auto const store = open_segments(scratch / "tier", segments);
        LiveTiers live(blocks, hot_form, cold_form, settings.hot_codec == settings.cold_codec, *store,
                       settings.link_bytes_per_s);
        std::uint64_t served = 0;
        auto result = replay_tiers(trace, rules, [&](auto& tiers, auto const& found, std::uint64_t matched) {
            live.serve(tiers, found, matched);
            if (++served == trace.requests.size()) live.check_against(tiers);
        });
        add_mode(settings, store->mode(), measurement);
        FigureWriter figures(measurement, "kv");
        add_live_figures(figures, live.totals(), store->counters(), timed);
        return result;
    }();
    if (timed) {
        std::uint64_t folders = 0;
        auto const open_empty = [&] {
            std::filesystem::remove_all(scratch / fmt::format("transfer_{}", folders++));
            return open_segments(scratch / fmt::format("transfer_{}", folders), segments);
        };
        time_ways(request, settings, rules, blocks, cold_form, open_empty, measurement);
    }
    return replayed;
}

}  // namespace kvstone
