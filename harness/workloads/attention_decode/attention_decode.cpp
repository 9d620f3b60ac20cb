#include "harness/workloads/attention_decode/attention_decode.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <omp.h>

#include "backends/timer.hpp"
#include "codecs/not_applicable.hpp"
#include "harness/engine/flash_attention.hpp"
#include "harness/workloads/attention_decode/decode_cache.hpp"
#include "harness/workloads/attention_decode/step_error.hpp"
#include "harness/workloads/cell_tensors.hpp"
#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/stopping_rule.hpp"
#include "harness/workloads/verify.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

// Never changes: options at their default are left out of the identity of cells.
constexpr std::uint64_t default_queries = 1;
constexpr std::uint64_t most_queries = 64;
constexpr double accepted_error = 1e-5;

/// The arguments of all kernels.
struct Step {
    DecodeTensors tensors;
    std::vector<float> queries;  ///< [sequence][layer][query head][query][dim]
    std::uint64_t heads = 0;     ///< of queries
    std::uint64_t of_head = 0;   ///< queries
    double scale = 1;
    BackendKind kind = BackendKind::openmp;

    std::uint64_t rows() const { return heads / tensors.k_shape.heads * of_head; }
    std::uint64_t outputs_of_sequence() const { return tensors.k_shape.layers * heads * of_head * tensors.v_shape.dim; }
};

/// Queries and outputs in the backend's memory, and the caches of one codec.
class Attending {
  public:
    Attending(Step const& step, Codec const& codec, std::uint64_t batch)
        : step_(step),
          cache_(codec, step.tensors, batch, step.kind),
          queries_(step.kind, step.queries.size() * sizeof(float)),
          outputs_(step.kind, batch * step.outputs_of_sequence() * sizeof(float)) {
        copy_to_backend(step.kind, queries_.data(), reinterpret_cast<std::byte const*>(step.queries.data()),
                        queries_.size());
    }
    DecodeCache& cache() { return cache_; }
    void run() const {
        attend(step_.kind, {.sequences = cache_.sequences(),
                            .queries = reinterpret_cast<float const*>(queries_.data()),
                            .outputs = reinterpret_cast<float*>(outputs_.data()),
                            .rows = step_.rows(),
                            .scale = step_.scale});
    }
    std::vector<float> outputs() const {
        std::vector<float> host(cache_.sequences().size() * step_.outputs_of_sequence());
        copy_to_host(step_.kind, reinterpret_cast<std::byte*>(host.data()), outputs_.data(),
                     host.size() * sizeof(float));
        return host;
    }

  private:
    Step const& step_;
    DecodeCache cache_;
    Buffer queries_;
    Buffer outputs_;
};

/// ggml over the planes of caches that it can read as they lie; nothing where it cannot.
std::optional<GgmlAttention> ggml_over(DecodeCache const& cache, std::optional<GgmlCacheType> type, Step const& step,
                                       Measurement& measurement) {
    if (!type || step.kind != BackendKind::openmp) return std::nullopt;
    std::vector<GgmlCache> caches;
    for (auto const& sequence : cache.sequences()) caches.push_back({sequence.k.payload, sequence.v.payload});
    auto const& k = step.tensors.k_shape;
    try {
        return GgmlAttention(*type,
                             {.layers = k.layers,
                              .kv_heads = k.heads,
                              .heads = step.heads,
                              .queries = step.of_head,
                              .tokens = k.tokens,
                              .k_dim = k.dim,
                              .v_dim = step.tensors.v_shape.dim,
                              .scale = step.scale,
                              .threads = omp_get_max_threads()},
                             caches, step.queries);
    } catch (NotApplicable const& none) {
        warn(measurement, fmt::format("no figures of ggml: {}", none.what()));
        return std::nullopt;
    }
}

/// The kernels that are timed in turn, once a round.
struct Contender {
    std::string metric;   ///< of its time
    std::string speedup;  ///< of ours over it; empty: ours
    std::function<void()> run;
    std::vector<double> ns = {};
};

void time_rounds(std::vector<Contender>& contenders, BackendKind kind, Measure const& measure) {
    warm_up(measure, [&] {
        for (auto const& contender : contenders) contender.run();
    });
    if (!measure.timing) return;
    MedianIntervalRule rule(measure.repetitions, measure.min_time_s);
    while (!rule.done()) {
        for (auto& contender : contenders) contender.ns.push_back(static_cast<double>(fenced_ns(kind, contender.run)));
        rule.add(contenders.front().ns.back());
    }
}

void add_times(std::vector<Contender> const& contenders, double bytes, Measurement& measurement) {
    auto const& ours = contenders.front();
    if (ours.ns.empty()) return;
    FigureWriter figures(measurement, "kv");
    auto const own = median(ours.ns);
    auto interval = median_interval(ours.ns);
    for (auto const& contender : contenders) {
        figures.add(contender.metric, median(contender.ns), contender.ns.size(), median_interval(contender.ns));
        if (!contender.speedup.empty()) figures.add(contender.speedup, median(contender.ns) / own);
    }
    if (interval) interval = Interval{bytes / interval->high, bytes / interval->low};
    figures.add("attention_read_gb_per_s", bytes / own, ours.ns.size(), interval);
    measurement.samples.push_back({"kv", ours.metric, ours.ns});
}

/// The largest error of outputs over the decoded caches of some sequences.
double error_of(std::vector<float> const& outputs, Step const& step,
                std::vector<std::pair<std::uint64_t, DecodedCache>> const& decoded) {
    double most = 0;
    for (auto const& [sequence, cache] : decoded) {
        StepReference const reference{.k_shape = step.tensors.k_shape,
                                      .v_shape = step.tensors.v_shape,
                                      .k = cache.k.data(),
                                      .v = cache.v.data(),
                                      .queries = step.queries.data(),  // the same of all sequences
                                      .rows = step.rows(),
                                      .scale = step.scale};
        most = std::max(most, largest_error(reference.outputs(), outputs.data() + sequence * step.outputs_of_sequence(),
                                            step.tensors.v_shape.dim));
    }
    return most;
}

void judge(Attending& ours, std::optional<GgmlAttention> const& ggml, Step const& step, Measurement& measurement) {
    auto const decoded = ours.cache().decode_ends();
    auto const error = error_of(ours.outputs(), step, decoded);
    FigureWriter figures(measurement, "kv");
    figures.add("attention_step_error", std::isfinite(error) ? std::optional(error) : std::nullopt);
    if (ggml) figures.add("ggml_step_error", error_of(ggml->outputs(), step, decoded));
    if (!(error <= accepted_error))
        refuse(measurement, Status::verify_failed, "kv",
               fmt::format("outputs differ from those of the decoded cache by {:.2g}, more than {:.0e}", error,
                           accepted_error));
}

/// Says so where K, V or Q is not there.
bool lacks_tensors(KvTensors const& tensors, Measurement& measurement) {
    std::string reason;
    if (tensors.latent != 0) reason = "no kernel attends to the coded vectors of latent attention";
    for (auto const& [name, tensor] : {std::pair{"K", &tensors.k}, {"V", &tensors.v}, {"Q", &tensors.q}})
        if (reason.empty() && !tensor->has_value())
            reason = fmt::format("attention_decode needs K, V and Q, and the source has no {}", name);
    if (reason.empty()) return false;
    measurement.status = Status::skipped;
    measurement.reason = reason;
    return true;
}

Step step_of(KvTensors tensors, std::uint64_t batch, BackendKind kind) {
    auto const& k = *tensors.k;
    auto const& q = *tensors.q;
    if (k.shape.heads == 0 || q.shape.heads % k.shape.heads != 0 || q.shape.dim != k.shape.dim ||
        q.shape.layers != k.shape.layers || tensors.v->shape.tokens != k.shape.tokens || q.shape.values() == 0)
        throw CorruptData("K, V and Q do not belong together");
    Step step;
    step.tensors = {k.shape, tensors.v->shape, floats_of(k), floats_of(*tensors.v)};
    step.heads = q.shape.heads;
    step.of_head = q.shape.tokens;
    step.scale = 1 / std::sqrt(static_cast<double>(tensors.query_dim != 0 ? tensors.query_dim : q.shape.dim));
    step.kind = kind;
    auto const one = floats_of(q);
    for (std::uint64_t s = 0; s < batch; ++s) step.queries.insert(step.queries.end(), one.begin(), one.end());
    return step;
}

}  // namespace

std::vector<WorkloadOption> attention_decode_options() {
    using enum WorkloadOption::Kind;
    return {{"queries",
             number,
             default_queries,
             {},
             1,
             most_queries,
             "of each query head in a step, those of the last tokens: all see the whole cache"}};
}

std::string attention_decode_skips(Codec const& codec, Json const&) {
    auto const lacks = attention_kernel_lacks(codec, Component::k);
    return lacks.empty() ? attention_kernel_lacks(codec, Component::v) : lacks;
}

void run_attention_decode(AttemptRequest const& request, Measurement& measurement) {
    auto const& cell = request.cell;
    auto const kind = backend_named(cell.backend);
    auto const codec = Codec::parse(cell.codec);
    QuerySample const sample{cell.options.value("queries", default_queries), QuerySpread::last};
    auto tensors = load_cell_tensors(request, {.q = true, .q_sample = sample}, measurement);
    if (lacks_tensors(tensors, measurement)) return;
    auto const step = step_of(std::move(tensors), cell.batch, kind);

    Attending ours(step, codec, cell.batch);
    Attending fp16(step, Codec::parse("fp16"), cell.batch);
    auto const ggml_f16 = ggml_over(fp16.cache(), GgmlCacheType::f16, step, measurement);
    auto const own_type = cell.codec == "fp16" ? std::nullopt : ggml_cache_type(cell.codec);
    auto const ggml = ggml_over(ours.cache(), own_type, step, measurement);
    std::vector<Contender> contenders{{"attention_step_ns", "", [&] { ours.run(); }},
                                      {"fp16_step_ns", "speedup_vs_fp16", [&] { fp16.run(); }}};
    if (ggml_f16) contenders.push_back({"ggml_f16_step_ns", "speedup_vs_ggml_f16", [&] { ggml_f16->run(); }});
    if (ggml) contenders.push_back({"ggml_step_ns", "speedup_vs_ggml", [&] { ggml->run(); }});
    time_rounds(contenders, kind, request.measure);

    auto const bytes = ours.cache().plane_bytes();
    auto const values = cell.batch * (step.tensors.k_shape.values() + step.tensors.v_shape.values());
    FigureWriter figures(measurement, "kv");
    figures.add_count("cache_bytes_read", bytes);
    figures.add_count("stored_bytes", ours.cache().container_bytes());
    figures.add("ratio_vs_fp16", 2 * static_cast<double>(values) / static_cast<double>(ours.cache().container_bytes()));
    add_times(contenders, static_cast<double>(bytes), measurement);
    if (request.measure.quality) judge(ours, cell.codec == "fp16" ? ggml_f16 : ggml, step, measurement);
    add_memory_peaks(measurement, kind);
}

}  // namespace kvstone
