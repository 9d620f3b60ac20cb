#include "harness/workloads/model.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include <fmt/format.h>

#include "harness/model/evaluation.hpp"
#include "harness/model/passages.hpp"
#include "harness/process_memory.hpp"
#include "harness/tensor_source.hpp"
#include "harness/workloads/model_figures.hpp"
#include "harness/workloads/verify.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::uint64_t most_tokens = std::uint64_t{1} << 24;
constexpr std::uint64_t most_passages = 1'000'000;
constexpr std::uint64_t default_passages = 8;

}  // namespace

std::vector<WorkloadOption> model_options() {
    using enum WorkloadOption::Kind;
    return {
        {"protocol", choice, {}, {"context", "inline", "decode"}, 0, 0, "when the codec codes what the model writes"},
        {"continuation", tokens, 0, {}, 0, most_tokens, "tokens scored behind the context; 0: as many as it has"},
        {"passages", number, default_passages, {}, 1, most_passages, "of the text, at most"},
        {"document", text, "", {}, 0, 0, "what lines begin with that begin a document; else the text is cut evenly"},
        {"prefill",
         choice,
         "clean",
         {"clean", "compressed"},
         0,
         0,
         "protocol decode: how the context is read before it is coded"}};
}

#ifdef KVSTONE_HAS_LLAMA

namespace {

/// Least share of what is read that must have come through the codec.
constexpr double engaged_fraction = 0.5;
/// Tokens of a capture that tells what RoPE the model has.
constexpr std::uint64_t rope_tokens = 64;

PassageSettings passage_settings(Cell const& cell, Engine const& engine) {
    PassageSettings settings;
    settings.context = cell.context != 0 ? cell.context : engine.trained_tokens() / 2;
    settings.continuation = cell.options.value("continuation", std::uint64_t{0});
    if (settings.continuation == 0) settings.continuation = settings.context;
    settings.passages = cell.options.value("passages", default_passages);
    settings.document = cell.options.value("document", "");
    if (settings.continuation < 2) throw ConfigError("a continuation needs two tokens", "continuation", {"2"});
    return settings;
}

/// Nothing where the source cannot tell: a codec that has to know then says so.
std::optional<Rope> rope_of(Cell const& cell) {
    try {
        return load_tensors(cell.source, cell.locator, rope_tokens, {.k = true, .v = false}).rope;
    } catch (ConfigError const&) {
        return std::nullopt;
    }
}

PassageScores scores_of(Evaluation& evaluation, Passage const& passage, Protocol protocol) {
    PassageScores scores;
    evaluation.begin(passage.context);
    auto const rate = [](std::uint64_t tokens, std::int64_t ns) {
        return ns > 0 ? 1e9 * static_cast<double>(tokens) / static_cast<double>(ns) : 0;
    };
    scores.context_tokens_per_s = rate(passage.context.size(), evaluation.times().context_ns);
    scores.tokens = evaluation.score(passage.continuation);
    scores.k = evaluation.bytes(Component::k);
    scores.v = evaluation.bytes(Component::v);
    if (protocol == Protocol::decode) {
        scores.greedy = evaluation.generate(passage.continuation.front(), passage.continuation.size() - 1);
        scores.greedy_tokens_per_s = rate(scores.greedy->tokens.size(), scores.greedy->ns);
    }
    return scores;
}

std::uint64_t tokens_without_likelihood(std::vector<PassageScores> const& passages) {
    std::uint64_t lost = 0;
    for (auto const& passage : passages)
        for (auto const& token : passage.tokens) lost += std::isfinite(token.nll) && std::isfinite(token.kld) ? 0 : 1;
    return lost;
}

std::optional<double> value_of(Measurement const& measurement, std::string const& metric) {
    for (auto const& figure : measurement.figures)
        if (figure.component == "kv" && figure.metric == metric) return figure.value;
    return std::nullopt;
}

/// What a reader of the figures has to know.
void add_warnings(Measurement& measurement) {
    auto const warn = [&](std::string const& text) {
        if (measurement.status != Status::ok) return;
        measurement.reason += (measurement.reason.empty() ? "" : "; ") + text;
    };
    if (auto const read = value_of(measurement, "compressed_read_fraction"); read.value_or(0) < engaged_fraction)
        warn(fmt::format("not_engaged: {:.0f}% of the K and V read came through the codec", 100 * read.value_or(0)));
    auto const baseline = value_of(measurement, "baseline_ppl").value_or(0);
    auto const unigram = value_of(measurement, "unigram_ppl").value_or(0);
    if (!(baseline < unigram)) {
        auto const text = fmt::format(
            "poor_baseline: without a codec the model's perplexity is {:.4g}, that of single "
            "token frequencies {:.4g}: model and text do not belong together",
            baseline, unigram);
        warn(text);
        std::fprintf(stderr, "kvstone: %s\n", text.c_str());
    }
}

}  // namespace

void run_model(AttemptRequest const& request, Measurement& measurement) {
    auto const& cell = request.cell;
    if (cell.source.at("kind") != "model") {
        measurement.status = Status::skipped;
        measurement.reason = "workload model needs a source that is a model";
        return;
    }
    PathSettings settings;
    settings.protocol = protocol_named(cell.options.value("protocol", ""));
    settings.prefill = cell.options.value("prefill", "clean") == "clean" ? Prefill::clean : Prefill::compressed;
    settings.backend = backend_named(cell.backend);
    settings.rope = rope_of(cell);
    Engine const engine(cell.locator.at("path").get<std::string>(), cell.source.value("gpu_layers", 0));
    measurement.engine = engine_version() + ", f32 cache, flash attention off, no rotation of the cache";
    auto const wanted = passage_settings(cell, engine);
    auto const passages = read_passages(engine, cell.locator.at("text").get<std::string>(), wanted);
    std::unique_ptr<Evaluation> evaluation;
    try {
        evaluation = std::make_unique<Evaluation>(
            engine, Codec::parse(cell.codec), settings, wanted.context + wanted.continuation,
            BaselineCache{capture_folder(), cell.source.at("sha256").get<std::string>()});
    } catch (NotApplicable const& error) {
        measurement.status = Status::skipped;
        measurement.reason = error.what();
        return;
    }

    auto const& first = passages.all.front();
    auto const failure = evaluation->prove(first.context, first.continuation);
    std::vector<PassageScores> scores;
    for (auto const& passage : passages.all) scores.push_back(scores_of(*evaluation, passage, settings.protocol));
    if (auto const lost = tokens_without_likelihood(scores); lost > 0)
        refuse(measurement, Status::verify_failed, "kv",
               fmt::format("{} scored tokens have no finite likelihood", lost));
    if (failure) refuse(measurement, Status::verify_failed, "kv", *failure);
    add_score_figures(scores, measurement);
    measurement.figures.push_back({"kv", "unigram_ppl", passages.unigram_ppl, 1, {}, {}});
    add_greedy_figures(scores, measurement);
    add_cache_figures(scores, measurement);
    if (request.measure.timing) add_rate_figures(scores, measurement);
    measurement.figures.push_back({"kv", "peak_rss_bytes", static_cast<double>(own_peak_rss_bytes()), 1, {}, {}});
    add_warnings(measurement);
}

#else

void run_model(AttemptRequest const&, Measurement& measurement) {
    measurement.status = Status::skipped;
    measurement.reason = "this build reads no models: it was made without libllama";
}

#endif

}  // namespace kvstone
