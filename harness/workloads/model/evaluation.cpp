#include "harness/workloads/model/evaluation.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <fmt/format.h>

#include "codecs/pipeline/checked_decode.hpp"
#include "harness/attempts/process_memory.hpp"

namespace kvstone {
namespace {

/// The time without the checks of decoded values.
template <class Action>
std::int64_t timed_ns(Action const& action) {
    auto const checked_before = checking_ns();
    auto const start = std::chrono::steady_clock::now();
    action();
    auto const passed = std::chrono::steady_clock::now() - start;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count() - (checking_ns() - checked_before);
}

/// The same, and the energy where a meter tells it.
template <class Action>
std::int64_t timed_ns(Action const& action, std::optional<EnergyMeter> const& meter, std::optional<double>& joules) {
    if (!meter) return timed_ns(action);
    std::int64_t ns = 0;
    joules = meter->joules_of([&] { ns = timed_ns(action); });
    return ns;
}

/// Tokens of a continuation that proofs read; of those that are fed one by one a part.
constexpr std::uint64_t proof_tokens = scored_batch_tokens;
constexpr std::uint64_t proof_steps = 16;

}  // namespace

struct Evaluation::State {
    State(Engine const& its_engine, Codec const& codec, PathSettings const& its_settings, std::uint64_t its_capacity,
          BaselineCache cache, std::uint64_t its_branches, ReferenceModel its_reference)
        : engine(&its_engine),
          settings(its_settings),
          capacity(its_capacity),
          branches(its_settings.protocol == Protocol::context ? its_branches : 0),
          baseline(its_engine, its_capacity, its_settings.protocol == Protocol::decode, std::move(cache), branches),
          sequence(open_measured(its_settings)),
          path(codec_path(sequence, codec, its_settings)) {
        if (its_reference.engine != nullptr)
            reference.emplace(*its_reference.engine, its_capacity, its_settings.protocol == Protocol::decode,
                              std::move(its_reference.cache), branches);
    }

    /// The answers that scores compare with.
    Baseline& measure() { return reference ? *reference : baseline; }

    EngineSequence open_measured(PathSettings const& of) {
        auto const before = own_resident_bytes();
        take_compute_bytes();
        auto opened = open(of);
        compute_bytes = take_compute_bytes();
        auto const after = own_resident_bytes();
        memory_growth_bytes = after > before ? after - before : 0;
        return opened;
    }
    EngineSequence open(PathSettings const& of) const {
        return of.engine ? EngineSequence(*engine, capacity, *of.engine)
                         : EngineSequence(*engine, capacity, false, branches);
    }
    /// The same path with nothing coded in it.
    PathSettings plain() const {
        auto same = settings;
        if (same.engine) same.engine = EngineCache{};
        return same;
    }

    KeptBytes state_for(CodecPath const& of, std::span<Token const> behind) {
        return of.reads_by_itself() ? baseline.state(behind) : KeptBytes{};
    }
    void begin(std::span<Token const> its_context) {
        if (fresh && std::ranges::equal(context, its_context)) return;
        // Before the proof it is not known that a restored context equals one that was read.
        auto const state = proven ? state_for(*path, its_context) : KeptBytes{};
        bool read = false;
        PathTimes now;
        now.context_ns = timed_ns([&] { read = path->begin(its_context, state.bytes); }, meter, now.context_joules);
        times = read ? now : PathTimes{};
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

    /// Reads texts from behind the context, all at once or one after the other.
    void read_on(EngineSequence& its_sequence, CodecPath& of, std::span<BranchedText const> texts,
                 BranchSink const& sink) const {
        if (branches > 0) {
            of.rewind();
            its_sequence.feed_branches(texts, sink);
            return;
        }
        one_by_one(texts, sink, [&](std::span<Token const> fed, auto const& of_index) {
            of.rewind();
            auto const first = its_sequence.tokens();
            of.feed(fed,
                    [&](std::uint64_t position, std::span<float const> logits) { of_index(position - first, logits); });
        });
    }

    /// Whether the kept answers of the reference are its answers now.
    bool verify_reference(std::span<Token const> its_context, std::span<Token const> fed,
                          std::span<BranchedText const> texts) {
        return !reference || (reference->verify_logits(its_context, fed, compared_tokens()) &&
                              (texts.empty() || reference->verify_words(its_context, texts)));
    }
    /// Whether the kept baseline of a context and of its continuation is the engine's answer now.
    bool verify_kept(std::span<Token const> its_context, std::span<Token const> fed,
                     std::span<BranchedText const> texts, bool whole) {
        if (path->reads_by_itself() &&
            !(whole ? baseline.verify_state(its_context) : baseline.verify_start_of_state(its_context, sequence)))
            return false;
        return baseline.verify_logits(its_context, fed, compared_tokens()) &&
               (texts.empty() || baseline.verify_words(its_context, texts));
    }

    std::uint64_t compared_tokens() const { return settings.protocol == Protocol::decode ? proof_steps : proof_tokens; }

    Engine const* engine;
    PathSettings settings;
    std::uint64_t capacity;
    std::uint64_t branches;
    Baseline baseline;
    std::optional<Baseline> reference;
    std::uint64_t memory_growth_bytes = 0;
    std::uint64_t compute_bytes = 0;
    EngineSequence sequence;
    std::unique_ptr<CodecPath> path;
    std::optional<EnergyMeter> meter;
    PathTimes times;
    std::vector<Token> context;
    bool fresh = false;  ///< nothing was read behind the context yet
    bool proven = false;
};

Evaluation::Evaluation(Engine const& engine, Codec const& codec, PathSettings const& settings, std::uint64_t capacity,
                       BaselineCache cache, std::uint64_t branches, ReferenceModel reference)
    : state_(std::make_unique<State>(engine, codec, settings, capacity, std::move(cache), branches,
                                     std::move(reference))) {}
Evaluation::~Evaluation() = default;

void Evaluation::read_energy(EnergyMeter meter) { state_->meter.emplace(std::move(meter)); }

void Evaluation::begin(std::span<Token const> context) { state_->begin(context); }

std::vector<TokenScore> Evaluation::score(std::span<Token const> continuation) {
    auto& state = *state_;
    state.back_to_context();
    // The last token foretells nothing that is known.
    auto const fed = continuation.first(continuation.size() - 1);
    auto const first = state.sequence.tokens();
    auto const rows = state.measure().logits(state.context, fed);
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

std::vector<std::vector<BranchScore>> Evaluation::score(std::span<BranchedText const> texts) {
    auto& state = *state_;
    auto const baseline = state.measure().words(state.context, texts);
    std::vector<std::vector<BranchScore>> scores;
    for (auto const& text : texts) scores.emplace_back(text.branches.size());
    BranchListener listener(texts);
    state.fresh = false;
    state.read_on(state.sequence, *state.path, texts,
                  [&](std::size_t text, std::size_t branch, std::uint64_t index, std::span<float const> logits) {
                      listener.take(text, branch, index, logits);
                      auto& score = scores[text][branch];
                      score.tokens += 1;
                      score.read_fraction += state.path->read_fraction(state.context.size() + index);
                  });
    for (std::size_t text = 0; text < texts.size(); ++text) {
        for (std::size_t branch = 0; branch < scores[text].size(); ++branch) {
            scores[text][branch].coded = listener.words()[text][branch];
            scores[text][branch].baseline = baseline[text][branch];
        }
    }
    return scores;
}

GreedyPair Evaluation::generate(Token first, std::uint64_t tokens) {
    auto& state = *state_;
    state.back_to_context();
    GreedyPair pair;
    pair.baseline = state.measure().greedy(state.context, first, tokens);
    auto token = first;
    auto const generate_all = [&] {
        while (pair.tokens.size() < tokens) {
            state.path->feed({&token, 1},
                             [&](std::uint64_t, std::span<float const> logits) { token = most_likely(logits); });
            pair.tokens.push_back(token);
        }
    };
    pair.ns = timed_ns(generate_all, state.meter, pair.joules);
    return pair;
}

std::optional<std::string> Evaluation::prove(std::span<Token const> context, std::span<Token const> continuation,
                                             std::span<BranchedText const> texts, bool timed) {
    auto& state = *state_;
    auto const fed = continuation.first(continuation.size() > 1 ? continuation.size() - 1 : 1);
    auto const shown = fed.first(std::min<std::uint64_t>(fed.size(), state.compared_tokens()));
    if (!state.verify_reference(context, fed, texts))
        std::fprintf(stderr, "kvstone: the kept answers differ from the reference model's now: made anew\n");
    if (!state.verify_kept(context, fed, texts, timed || context.size() <= engine_batch_tokens))
        std::fprintf(stderr, "kvstone: the kept baseline differs from the model's answer now: made anew\n");
    auto const alone = state.baseline.live_logits(context, shown);
    auto const kept_context = state.state_for(*state.path, context);
    {
        auto const plain = state.plain();
        auto raw_sequence = state.open(plain);
        auto const raw = codec_path(raw_sequence, Codec::parse("raw"), plain);
        raw->begin(context, kept_context.bytes);
        if (auto const count = state.read_on(*raw, shown).differing(alone); count > 0)
            return fmt::format("{} logits differ from those of the engine alone although codec raw changes nothing",
                               count);
        auto const some = texts.first(texts_of_first_group(texts));
        BranchListener listener(some);
        state.read_on(raw_sequence, *raw, some, [&](auto text, auto branch, auto index, auto logits) {
            listener.take(text, branch, index, logits);
        });
        if (!same_words(listener.words(), state.baseline.live_words(context, some)))
            return "likelihoods differ from those of the engine alone although codec raw changes nothing";
    }
    state.path->corrupt(true);
    state.path->begin(context, kept_context.bytes);
    auto const corrupted = state.read_on(*state.path, shown);
    state.path->corrupt(false);
    state.sequence.clear();  // of NaN, which corrupted bytes may mean and which spreads to the tokens read behind it
    // Where figures of speed are measured, the context is read this time.
    state.fresh = false;
    state.proven = !timed;
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
std::uint64_t Evaluation::compute_bytes() const { return state_->compute_bytes; }
std::uint64_t Evaluation::memory_growth_bytes() const { return state_->memory_growth_bytes; }

}  // namespace kvstone
