#include "harness/workloads/model/model.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/captures/capture_cache.hpp"
#include "harness/engine/passages.hpp"
#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/model/engagement.hpp"
#include "harness/workloads/model/model_figures.hpp"
#include "harness/workloads/model/model_session.hpp"
#include "harness/workloads/model/token_kinds.hpp"
#include "harness/workloads/model_options.hpp"
#include "harness/workloads/verify.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

PassageSettings passage_settings(Cell const& cell, Engine const& engine) {
    PassageSettings settings;
    settings.context = cell.context != 0 ? cell.context : engine.trained_tokens() / 2;
    settings.continuation = cell.options.value("continuation", std::uint64_t{0});
    if (settings.continuation == 0) settings.continuation = settings.context;
    settings.passages = cell.options.value("passages", default_passages);
    settings.document = cell.options.value("document", "");
    if (settings.continuation < 2) throw NotApplicable("a continuation needs two tokens", "continuation", {"2"});
    return settings;
}

PassageScores scores_of(Evaluation& evaluation, Passage const& passage, TokenKinds const& kinds, Protocol protocol) {
    PassageScores scores;
    evaluation.begin(passage.context);
    auto const rate = [](std::uint64_t tokens, std::int64_t ns) {
        return ns > 0 ? 1e9 * static_cast<double>(tokens) / static_cast<double>(ns) : 0;
    };
    auto const per_joule = [](std::uint64_t tokens, std::optional<double> joules) {
        return joules && *joules > 0 ? static_cast<double>(tokens) / *joules : 0;
    };
    scores.context_tokens_per_s = rate(passage.context.size(), evaluation.times().context_ns);
    scores.context_tokens_per_joule = per_joule(passage.context.size(), evaluation.times().context_joules);
    scores.tokens = evaluation.score(passage.continuation);
    for (auto& token : scores.tokens)
        token.kind = kinds.of(passage.continuation[token.position - passage.context.size()]);
    scores.k = evaluation.bytes(Component::k);
    scores.v = evaluation.bytes(Component::v);
    if (protocol == Protocol::decode) {
        scores.greedy = evaluation.generate(passage.continuation.front(), passage.continuation.size() - 1);
        scores.greedy_tokens_per_s = rate(scores.greedy->tokens.size(), scores.greedy->ns);
        scores.greedy_tokens_per_joule = per_joule(scores.greedy->tokens.size(), scores.greedy->joules);
    }
    return scores;
}

std::uint64_t tokens_without_likelihood(std::vector<PassageScores> const& passages) {
    std::uint64_t lost = 0;
    for (auto const& passage : passages)
        for (auto const& token : passage.tokens) lost += std::isfinite(token.nll) && std::isfinite(token.kld) ? 0 : 1;
    return lost;
}

void warn_of_poor_baseline(Measurement& measurement) {
    auto const baseline = value_of(measurement, "baseline_ppl").value_or(0);
    auto const unigram = value_of(measurement, "unigram_ppl").value_or(0);
    if (baseline < unigram) return;
    warn(measurement,
         fmt::format("poor_baseline: without a codec the model's perplexity is {:.4g}, that of single "
                     "token frequencies {:.4g}: model and text do not belong together",
                     baseline, unigram),
         true);
}

}  // namespace

void run_model(AttemptRequest const& request, Measurement& measurement) {
    auto const& cell = request.cell;
    if (lacks_model(cell, measurement)) return;
    ModelSession const session(cell, measurement);
    auto const wanted = passage_settings(cell, session.engine);
    auto const passages = read_passages(session.engine, cell.locator.at("text").get<std::string>(), wanted);
    auto const evaluation = session.evaluation(cell, wanted.context + wanted.continuation, capture_folder());

    // The energy of engine and codec together: where they work in two places, no counter has it.
    if (bool const on_device = session.engine.gpu_layers() != 0;
        on_device == (session.settings.backend == BackendKind::cuda))
        if (auto meter = energy_meter(request, on_device, measurement)) evaluation->read_energy(std::move(*meter));

    auto const& first = passages.all.front();
    auto const failure = evaluation->prove(first.context, first.continuation, {}, request.measure.timing);
    TokenKinds const kinds(session.engine, passages.all);
    std::vector<PassageScores> scores;
    for (auto const& passage : passages.all)
        scores.push_back(scores_of(*evaluation, passage, kinds, session.settings.protocol));
    refuse_lost_tokens(measurement, tokens_without_likelihood(scores));
    if (failure) refuse(measurement, Status::verify_failed, "kv", *failure);
    add_score_figures(scores, measurement);
    measurement.figures.push_back({"kv", "context_tokens", static_cast<double>(wanted.context), 1, {}, {}});
    measurement.figures.push_back({"kv", "unigram_ppl", passages.unigram_ppl, 1, {}, {}});
    FigureWriter memory(measurement, "kv");
    memory.add_count("weights_bytes", session.engine.weights_bytes());
    if (auto const bytes = evaluation->compute_bytes(); bytes > 0) memory.add_count("compute_bytes", bytes);
    add_greedy_figures(scores, measurement);
    add_cache_figures(scores, measurement);
    if (request.measure.timing) add_rate_figures(scores, measurement);
    add_engine_cache(*evaluation, session.settings, wanted.context + wanted.continuation, scores.front().k,
                     scores.front().v, measurement);
    add_memory_peaks(measurement);
    warn_unless_engaged(measurement, session.settings.protocol, wanted.continuation);
    warn_of_poor_baseline(measurement);
}

}  // namespace kvstone
