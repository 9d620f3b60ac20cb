#include "harness/workloads/prefix_cache/prefix_cache.hpp"

#include <algorithm>
#include <limits>
#include <memory>

#include <fmt/format.h>

#include "backends/timer.hpp"
#include "codecs/container/container.hpp"
#include "codecs/not_applicable.hpp"
#include "harness/attempts/process_memory.hpp"
#include "harness/workloads/prefix_cache/prefix_cache_figures.hpp"
#include "harness/workloads/prefix_cache/prefix_cache_options.hpp"
#include "harness/workloads/stopping_rule.hpp"
#include "harness/workloads/verify.hpp"
#include "scenarios/errors.hpp"

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

/// The figures that modes live and account share.
struct Cache {
    PrefixCacheSettings settings;
    EntryCost cost;
    RequestTrace trace;
    BlockKey root;
};

/// Seconds of a replay; the median.
double books_s(RequestTrace const& trace, StoreRules const& rules, std::uint64_t layers, Measure const& measure) {
    MedianIntervalRule rule(measure.repetitions, measure.min_time_s);
    std::vector<double> samples;
    while (!rule.done()) {
        samples.push_back(static_cast<double>(
            fenced_ns(BackendKind::openmp, [&] { static_cast<void>(replay(trace, rules, layers)); })));
        rule.add(samples.back());
    }
    return 1e-9 * median(std::move(samples));
}

void keep_books(AttemptRequest const& request, Cache const& cache, Measurement& measurement) {
    auto const& [settings, cost, trace, root] = cache;
    auto const& rules = settings.rules;
    auto const layered = cost.entries == 1 ? RequestTrace() : with_layers(trace, cost.entries);
    auto const& asked = cost.entries == 1 ? trace : layered;
    auto const replayed = replay(asked, rules, cost.entries);
    FigureWriter figures(measurement, "kv");
    add_sizes(figures, cost, rules.capacity);
    add_counts(figures, trace, replayed, entry_bytes(replayed, cost.entry_bytes()), cost);
    if (settings.serving && cost.decode_s) {
        add_coding_times(figures, cost);
        add_time_saved(figures, time_saved(trace, replayed, cost, *settings.serving));
    }
    if (!request.measure.timing && settings.threads == 1) return;
    auto const hashed = replay_hashed(trace, rules, cost.entries, settings.threads, root);
    if (!(hashed.replayed == replayed))
        refuse(measurement, Status::verify_failed, "kv", "clients with keys of their own count other hits");
    if (request.measure.timing) add_rates(figures, trace, books_s(asked, rules, cost.entries, request.measure), hashed);
}

std::unique_ptr<BlockSource> block_source(AttemptRequest const& request, RequestTrace const& trace) {
    auto const kind = request.cell.source.at("kind").get<std::string>();
    if (kind == "model") return model_blocks(request, trace);
    if (kind == "synthetic") return drawn_blocks(request, trace);
    throw NotApplicable("mode live needs K and V of any tokens, the source is a", kind, {"model", "synthetic"});
}

void require_memory(AttemptRequest const& request, Cache const& cache, LiveRules const& rules,
                    BlockSource const& source) {
    auto const needed = live_memory_bytes(cache.trace, rules, cache.cost, source);
    auto available = available_memory_bytes();
    if (auto const limit = request.measure.memory_bytes; limit != 0) available = std::min(available, limit);
    if (needed > available / 10 * 9)
        throw ConfigError(
            fmt::format("mode live would hold {:.1f} GiB of tensors and entries, and {:.1f} GiB of memory "
                        "are there: ask for fewer requests, a smaller budget, or mode: account",
                        static_cast<double>(needed) / 0x1p30, static_cast<double>(available) / 0x1p30));
}

void run_live(AttemptRequest const& request, Cache const& cache, Measurement& measurement) {
    auto const& [settings, cost, trace, root] = cache;
    if (backend_named(request.cell.backend) != BackendKind::openmp)
        throw NotApplicable("mode live runs on the host, the backend is", request.cell.backend, {"openmp"});
    LiveRules const rules{settings.rules, settings.threads, settings.by_layer, request.measure.timing};
    auto const source = block_source(request, trace);
    require_memory(request, cache, rules, *source);
    auto const live = replay_live(trace, rules, Codec::parse(request.cell.codec), root, *source);
    FigureWriter figures(measurement, "kv");
    add_sizes(figures, cost, rules.store.capacity);
    add_counts(figures, trace, live.replayed,
               {live.written_bytes, live.held_bytes, live.evicted_bytes, live.expired_bytes}, cost);
    add_live(figures, trace, live, cost);
    check_values(live.errors, "kv", measurement);
    if (live.entries_differing > 0)
        refuse(measurement, Status::verify_failed, "kv",
               fmt::format("{} entries decode to other values than when they were written", live.entries_differing));
    if (!request.measure.timing) return;
    auto model = settings.serving;
    if (source->computes()) {
        auto const fit = measure_prefill(*source, request.measure);
        figures.add("prefill_us_per_token", fit.us_per_token);
        figures.add("prefill_ns_per_token_squared", fit.ns_per_token_squared);
        figures.add("prefill_fit_error_percent", fit.largest_error_percent);
        if (!model) model = ServingModel{.link_bytes_per_s = std::numeric_limits<double>::infinity()};
        model->prefill_us_per_token = fit.us_per_token;
        model->prefill_ns_per_token_squared = fit.ns_per_token_squared;
    }
    if (model && model->prefill_s(1) > 0)
        add_time_saved(figures, time_saved(trace, live.replayed, measured_cost(cost, live.times), *model));
}

}  // namespace

void run_prefix_cache(AttemptRequest const& request, Measurement& measurement) {
    Cache cache{.settings = prefix_cache_settings(request.cell.options), .cost = {}, .trace = {}, .root = {}};
    auto& [settings, cost, trace, root] = cache;
    bool const coding_is_timed = settings.serving.has_value() && !settings.live;
    cost = measure_entry(request, settings.by_layer, coding_is_timed, measurement);
    root = root_of(request.cell, cost);
    trace = trace_of(request.cell, settings.trace, cost);
    settings.rules.capacity = capacity_of(settings, cost);
    if (settings.live)
        run_live(request, cache, measurement);
    else
        keep_books(request, cache, measurement);
    add_memory_peaks(measurement, backend_named(request.cell.backend));
}

}  // namespace kvstone
