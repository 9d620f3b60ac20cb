#ifdef KVSTONE_HAS_LLAMA

#include "harness/model/evaluation.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include <fmt/format.h>

namespace kvstone {
namespace {

template <class Action>
std::int64_t timed_ns(Action const& action) {
    auto const start = std::chrono::steady_clock::now();
    action();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
}

/// log of the sum of exp(logits).
double log_sum_exp(std::span<float const> logits) {
    double const largest = *std::ranges::max_element(logits);
    double sum = 0;
    for (auto const logit : logits) sum += std::exp(static_cast<double>(logit) - largest);
    return largest + std::log(sum);
}

/// The logits behind each token of a continuation, one row after the other.
class LogitRows {
  public:
    explicit LogitRows(std::size_t vocabulary) : vocabulary_(vocabulary) {}
    void clear() { values_.clear(); }
    EngineSequence::LogitSink taker() {
        return [this](std::uint64_t, std::span<float const> logits) {
            values_.insert(values_.end(), logits.begin(), logits.end());
        };
    }
    std::span<float const> row(std::size_t index) const {
        return std::span(values_).subspan(index * vocabulary_, vocabulary_);
    }
    /// How many logits differ, bit by bit.
    std::size_t differing(LogitRows const& other) const {
        if (values_.size() != other.values_.size()) return std::max(values_.size(), other.values_.size());
        std::size_t count = 0;
        for (std::size_t i = 0; i < values_.size(); ++i)
            count += std::memcmp(&values_[i], &other.values_[i], sizeof(float)) != 0 ? 1 : 0;
        return count;
    }

  private:
    std::size_t vocabulary_;
    std::vector<float> values_;
};

}  // namespace

double log_probability(std::span<float const> logits, Token token) {
    return static_cast<double>(logits[static_cast<std::size_t>(token)]) - log_sum_exp(logits);
}

Token most_likely(std::span<float const> logits) {
    return static_cast<Token>(std::ranges::max_element(logits) - logits.begin());
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
    State(Engine const& its_engine, Codec const& codec, PathSettings const& its_settings, std::uint64_t its_capacity)
        : engine(&its_engine),
          settings(its_settings),
          capacity(its_capacity),
          baseline_sequence(its_engine, its_capacity),
          sequence(its_engine, its_capacity),
          baseline(plain_path(baseline_sequence, steps())),
          path(codec_path(sequence, codec, its_settings)) {}

    bool steps() const { return settings.protocol == Protocol::decode; }

    void begin(std::span<Token const> context) {
        baseline->begin(context);
        times.context_ns = timed_ns([&] { path->begin(context); });
        fresh = true;
    }
    void back_to_context() {
        if (!fresh) {
            baseline->rewind();
            path->rewind();
        }
        fresh = false;
    }

    LogitRows logits_of(CodecPath& of, std::span<Token const> continuation) const {
        LogitRows rows(engine->vocabulary());
        of.feed(continuation, rows.taker());
        return rows;
    }

    Engine const* engine;
    PathSettings settings;
    std::uint64_t capacity;
    EngineSequence baseline_sequence;
    EngineSequence sequence;
    std::unique_ptr<CodecPath> baseline;
    std::unique_ptr<CodecPath> path;
    PathTimes times;
    bool fresh = false;  ///< nothing was read behind the context yet
};

Evaluation::Evaluation(Engine const& engine, Codec const& codec, PathSettings const& settings, std::uint64_t capacity)
    : state_(std::make_unique<State>(engine, codec, settings, capacity)) {}
Evaluation::~Evaluation() = default;

void Evaluation::begin(std::span<Token const> context) { state_->begin(context); }

std::vector<TokenScore> Evaluation::score(std::span<Token const> continuation) {
    auto& state = *state_;
    state.back_to_context();
    // The last token foretells nothing that is known.
    auto const fed = continuation.first(continuation.size() - 1);
    auto const first = state.sequence.tokens();
    auto const rows = state.logits_of(*state.baseline, fed);
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
    auto const generate_on = [&](CodecPath& path, std::vector<Token>& text) {
        auto token = first;
        while (text.size() < tokens) {
            path.feed({&token, 1}, [&](std::uint64_t, std::span<float const> logits) { token = most_likely(logits); });
            text.push_back(token);
        }
    };
    generate_on(*state.baseline, pair.baseline);
    pair.ns = timed_ns([&] { generate_on(*state.path, pair.tokens); });
    return pair;
}

std::optional<std::string> Evaluation::prove(std::span<Token const> context, std::span<Token const> continuation) {
    auto& state = *state_;
    auto const begun_and_read = [&](CodecPath& path) {
        path.begin(context);
        return state.logits_of(path, continuation);
    };
    auto const clean = begun_and_read(*state.baseline);
    {
        EngineSequence alone(*state.engine, state.capacity, true);
        auto const plain = plain_path(alone, state.steps());
        if (auto const count = begun_and_read(*plain).differing(clean); count > 0)
            return fmt::format("{} logits differ from those of the engine alone", count);
    }
    {
        EngineSequence raw_sequence(*state.engine, state.capacity);
        auto const raw = codec_path(raw_sequence, Codec::parse("raw"), state.settings);
        if (auto const count = begun_and_read(*raw).differing(clean); count > 0)
            return fmt::format("{} logits differ from those of the engine alone although codec raw changes nothing",
                               count);
    }
    auto const coded = begun_and_read(*state.path);
    auto const read = state.path->read_fraction(state.sequence.tokens() - 1);
    state.path->spoil(true);
    auto const spoilt = begun_and_read(*state.path);
    state.path->spoil(false);
    if (read > 0 && spoilt.differing(coded) == 0) return "a spoilt cache does not change the logits";
    state.begin(context);
    return std::nullopt;
}

CacheBytes Evaluation::bytes(Component component) { return state_->path->bytes(component); }
PathTimes const& Evaluation::times() const { return state_->times; }

}  // namespace kvstone

#endif
