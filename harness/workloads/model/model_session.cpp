#include "harness/workloads/model/model_session.hpp"

#include <fmt/format.h>

#include "harness/captures/load_tensors.hpp"
#include "harness/sources/tensor_source.hpp"
#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/verify.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {

bool lacks_model(Cell const& cell, Measurement& measurement) {
    if (cell.source.at("kind") == "model") return false;
    measurement.status = Status::skipped;
    measurement.reason = fmt::format("workload {} needs a source that is a model", cell.workload);
    return true;
}

void add_engine_cache(Evaluation const& evaluation, PathSettings const& settings, std::uint64_t capacity,
                      CacheBytes const& k, CacheBytes const& v, Measurement& measurement) {
    if (!settings.engine) return;
    auto const flash = settings.engine->flash;
    measurement.engine =
        fmt::format("{}, its own cache: K {}, V {}; flash attention {}; accumulates as the engine does",
                    engine_version(), k.stored_as, v.stored_as,
                    flash == FlashAttention::off  ? "off"
                    : flash == FlashAttention::on ? "on"
                                                  : "auto");
    FigureWriter figures(measurement, "kv");
    figures.add_count("cache_room_tokens", capacity);
    figures.add_count("cache_memory_growth_bytes", evaluation.memory_growth_bytes());
}

void refuse_lost_tokens(Measurement& measurement, std::uint64_t lost) {
    if (lost > 0)
        refuse(measurement, Status::verify_failed, "kv",
               fmt::format("{} scored tokens have no finite likelihood", lost));
}

std::optional<double> value_of(Measurement const& measurement, std::string const& metric) {
    for (auto const& figure : measurement.figures)
        if (figure.component == "kv" && figure.metric == metric) return figure.value;
    return std::nullopt;
}

namespace {

/// Tokens of a capture that shows the model's RoPE.
constexpr std::uint64_t rope_tokens = 64;

/// Nothing where the source cannot tell: a codec that has to know then says so.
std::optional<Rope> rope_of(Cell const& cell) {
    try {
        return load_tensors(cell.source, cell.locator, rope_tokens, {.k = true, .v = false}).rope;
    } catch (ConfigError const&) {
        return std::nullopt;
    }
}

PathSettings settings_of(Cell const& cell) {
    PathSettings settings;
    settings.protocol = protocol_named(cell.options.value("protocol", ""));
    settings.prefill = cell.options.value("prefill", "clean") == "clean" ? Prefill::clean : Prefill::compressed;
    settings.backend = backend_named(cell.backend);
    settings.engine = engine_cache_of(Codec::parse(cell.codec));
    if (!settings.engine) settings.rope = rope_of(cell);
    return settings;
}

}  // namespace

namespace {

std::optional<Engine> reference_of(Cell const& cell) {
    auto const path = cell.locator.find("reference");
    // A model that is its own reference has these answers by itself.
    if (path == cell.locator.end() || cell.source.at("reference_sha256") == cell.source.at("sha256"))
        return std::nullopt;
    return Engine(path->get<std::string>(), cell.source.value("gpu_layers", 0));
}

}  // namespace

ModelSession::ModelSession(Cell const& cell, Measurement& measurement)
    : settings(settings_of(cell)),
      reference(reference_of(cell)),
      engine(cell.locator.at("path").get<std::string>(), cell.source.value("gpu_layers", 0)) {
    measurement.engine = engine_version() + ", f32 cache, flash attention off, no rotation of the cache";
    if (!reference) return;
    if (auto const difference = engine.difference_of_vocabulary(*reference); !difference.empty())
        throw ConfigError(fmt::format("{}: the reference has another vocabulary: {}", engine.path(), difference),
                          reference->path(), {"a model with the same tokenizer"});
}

std::unique_ptr<Evaluation> ModelSession::evaluation(Cell const& cell, std::uint64_t capacity,
                                                     std::string const& baseline_folder, std::uint64_t branches) const {
    ReferenceModel measure;
    if (reference) measure = {&*reference, {baseline_folder, cell.source.at("reference_sha256").get<std::string>()}};
    return std::make_unique<Evaluation>(engine, Codec::parse(cell.codec), settings, capacity,
                                        BaselineCache{baseline_folder, cell.source.at("sha256").get<std::string>()},
                                        branches, measure);
}

}  // namespace kvstone
