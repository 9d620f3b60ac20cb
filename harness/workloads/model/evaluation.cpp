#include "harness/workloads/model/evaluation.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <stdexcept>

#include <fmt/format.h>

#include "codecs/pipeline/checked_decode.hpp"

namespace kvstone {
namespace {

/// Without what went into checking what was decoded.
template <class Action>
std::int64_t timed_ns(Action const& action) {
    auto const checked_before = checking_ns();
    auto const start = std::chrono::steady_clock::now();
    action();
    auto const passed = std::chrono::steady_clock::now() - start;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count() - (checking_ns() - checked_before);
}

/// log of the sum of exp(logits).
double log_sum_exp(std::span<float const> logits) {
    double const largest = *std::ranges::max_element(logits);
    double sum = 0;
    for (auto const logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
    return largest + std::log(sum);
}

/// Tokens of a continuation that proofs read with a codec.
constexpr std::uint64_t proof_tokens = 32;

}  // namespace

double log_probability(std::span<float const> logits, Token token) {
    return static_cast<double>(logits[static_cast<std::size_t>(token)]) - log_sum_exp(logits);
}

TokenScore compare_logits(std::span<float const> baseline, std::span<float const> logits, Token token) {
    if (baseline.size() != logits.size()) throw std::invalid_argument("distributions over two vocabularies");
    auto const baseline_sum = log_sum_exp(baseline);
    auto const sum = log_sum_exp(logits);
    TokenScore score;
    auto const at = static_cast<std::size_t>(token);
    score.nll = sum - static_cast<double>(logits[at]);
    score.baseline_nll = baseline_sum - static_cast<double>(baseline[at]);
    for (std::size_t i = 0; i < logits.size(); ++i) {
        double const log_p = static_cast<double>(baseline[i]) - baseline_sum;
        double const log_q = static_cast<double>(logits[i]) - sum;
        double const p = std::exp(log_p);
        if (p > 0) score.kld += p * (log_p - log_q);
    }
    score.kld = std::max(score.kld, 0.0);  // what rounding leaves of equal distributions
    auto const top = most_likely(logits);
    auto const baseline_top = most_likely(baseline);
    score.same_top = top == baseline_top;
    score.top = top == token;
    score.baseline_top = baseline_top == token;
    return score;
}

struct Evaluation::State {
    State(Engine const& its_engine, Codec const& codec, PathSettings const& its_settings, std::uint64_t its_capacity,
          BaselineCache cache)
        : engine(&its_engine),
          settings(its_settings),
          capacity(its_capacity),
          baseline(its_engine, its_capacity, its_settings.protocol == Protocol::decode, std::move(cache)),
          sequence(its_engine, its_capacity),
          path(codec_path(sequence, codec, its_settings)) {}

    KeptBytes state_for(CodecPath const& of, std::span<Token const> behind) {
        return of.reads_by_itself() ? baseline.state(behind) : KeptBytes{};
    }
    void begin(std::span<Token const> its_context) {
        if (fresh && std::ranges::equal(context, its_context)) return;
        // Before the proof nobody knows that a context put there is one that was read.
        auto const state = proven ? state_for(*path, its_context) : KeptBytes{};
        bool read = false;
        times.context_ns = timed_ns([&] { read = path->begin(its_context, state.bytes); });
        if (!read) times.context_ns = 0;
        context.assign(its_context.begin(), its_context.end());
        fresh = true;
    }
    void back_to_context() {
        if (!fresh) path->rewind();
        fresh = false;
    }

    LogitRows read_on(CodecPath& of, std::span<Token const> continuation) const {
        return {keep_bytes(logits_of([&](EngineSequence::LogitSink const& sink) { of.feed(continuation, sink); })),
                engine->vocabulary()};
    }

    Engine const* engine;
    PathSettings settings;
    std::uint64_t capacity;
    Baseline baseline;
    EngineSequence sequence;
    std::unique_ptr<CodecPath> path;
    PathTimes times;
    std::vector<Token> context;
    bool fresh = false;  ///< nothing was read behind the context yet
    bool proven = false;
};

Evaluation::Evaluation(Engine const& engine, Codec const& codec, PathSettings const& settings, std::uint64_t capacity,
                       BaselineCache cache)
    : state_(std::make_unique<State>(engine, codec, settings, capacity, std::move(cache))) {}
Evaluation::~Evaluation() = default;

void Evaluation::begin(std::span<Token const> context) { state_->begin(context); }

std::vector<TokenScore> Evaluation::score(std::span<Token const> continuation) {
    auto& state = *state_;
    state.back_to_context();
    // The last token foretells nothing that is known.
    auto const fed = continuation.first(continuation.size() - 1);
    auto const first = state.sequence.tokens();
    auto const rows = state.baseline.logits(state.context, fed);
    std::vector<TokenScore> scores;
    state.times.continuation_ns = timed_ns([&] {
        state.path->feed(fed, [&](std::uint64_t position, std::span<float const> logits) {
            auto const at = position - first;
            scores.push_back(compare_logits(rows.row(at), logits, continuation[at + 1]));
            scores.back().position = position + 1;
            scores.back().read_fraction = state.path->read_fraction(position);
        });
    });
    return scores;
}

GreedyPair Evaluation::generate(Token first, std::uint64_t tokens) {
    auto& state = *state_;
    state.back_to_context();
    GreedyPair pair;
    pair.baseline = state.baseline.greedy(state.context, first, tokens);
    auto token = first;
    pair.ns = timed_ns([&] {
        while (pair.tokens.size() < tokens) {
            state.path->feed({&token, 1},
                             [&](std::uint64_t, std::span<float const> logits) { token = most_likely(logits); });
            pair.tokens.push_back(token);
        }
    });
    return pair;
}

std::optional<std::string> Evaluation::prove(std::span<Token const> context, std::span<Token const> continuation) {
    auto& state = *state_;
    auto const fed = continuation.first(continuation.size() > 1 ? continuation.size() - 1 : 1);
    auto const shown = fed.first(std::min<std::uint64_t>(fed.size(), proof_tokens));
    bool const kept_is_true = (!state.path->reads_by_itself() || state.baseline.verify_state(context)) &&
                              state.baseline.verify_logits(context, fed, proof_tokens);
    if (!kept_is_true)
        std::fprintf(stderr,
                     "kvstone: what was kept of the model without a codec is not what it says now: made anew\n");
    auto const alone = state.baseline.live_logits(context, shown);
    auto const kept_context = state.state_for(*state.path, context);
    {
        EngineSequence raw_sequence(*state.engine, state.capacity);
        auto const raw = codec_path(raw_sequence, Codec::parse("raw"), state.settings);
        raw->begin(context, kept_context.bytes);
        if (auto const count = state.read_on(*raw, shown).differing(alone); count > 0)
            return fmt::format("{} logits differ from those of the engine alone although codec raw changes nothing",
                               count);
    }
    state.path->corrupt(true);
    state.path->begin(context, kept_context.bytes);
    auto const corrupted = state.read_on(*state.path, shown);
    state.path->corrupt(false);
    state.sequence.clear();  // of NaN, which corrupted bytes may mean and which spreads to what is read behind it
    // This time the context is read: figures of speed are measured.
    state.fresh = false;
    state.begin(context);
    state.fresh = false;
    auto const coded = state.read_on(*state.path, shown);
    auto const read = state.path->read_fraction(state.sequence.tokens() - 1);
    if (read > 0 && corrupted.differing(coded) == 0) return "a spoilt cache does not change the logits";
    state.back_to_context();
    state.fresh = true;
    state.proven = true;
    return std::nullopt;
}

CacheBytes Evaluation::bytes(Component component) { return state_->path->bytes(component); }
PathTimes const& Evaluation::times() const { return state_->times; }

}  // namespace kvstone
