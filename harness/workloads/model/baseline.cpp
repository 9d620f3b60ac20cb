#include "harness/workloads/model/baseline.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "harness/attempts/abilities.hpp"
#include "results/record/build.hpp"
#include "scenarios/content_hash.hpp"

namespace kvstone {

LogitRows::LogitRows(KeptBytes kept, std::size_t vocabulary)
    : kept_(std::move(kept)),
      values_(reinterpret_cast<float const*>(kept_.bytes.data()), kept_.bytes.size() / sizeof(float)),
      vocabulary_(vocabulary) {}

std::size_t LogitRows::differing(LogitRows const& other) const {
    auto const size = std::min(values_.size(), other.values_.size());
    std::size_t count = 0;
    for (std::size_t i = 0; i < size; ++i)
        count += std::memcmp(&values_[i], &other.values_[i], sizeof(float)) != 0 ? 1 : 0;
    return count;
}

namespace {

/// K and V of the first tokens, as bytes: NaN is like itself.
std::vector<std::byte> values_of(EngineSequence const& sequence, std::uint64_t tokens) {
    std::vector<std::byte> all;
    for (auto const component : {Component::k, Component::v}) {
        auto const shape = sequence.shape(component, tokens);
        std::vector<float> values(shape.values());
        sequence.read(component, 0, 0, {values.data(), ElementType::f32, shape, KvStrides::packed(shape)});
        auto const bytes = std::as_bytes(std::span(values));
        all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return all;
}

/// Three numbers a branch.
std::vector<std::byte> to_bytes(BranchWords const& words) {
    std::vector<double> numbers;
    for (auto const& text : words)
        for (auto const& word : text)
            numbers.insert(numbers.end(),
                           {word.log_likelihood, word.greedy ? 1.0 : 0.0, static_cast<double>(word.lost)});
    auto const bytes = std::as_bytes(std::span(numbers));
    return {bytes.begin(), bytes.end()};
}
std::optional<BranchWords> words_from(std::span<std::byte const> bytes, std::span<BranchedText const> texts) {
    std::vector<double> numbers(bytes.size() / sizeof(double));
    std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(double));
    auto next = numbers.begin();
    BranchWords words;
    for (auto const& text : texts) {
        if (numbers.end() - next < static_cast<std::ptrdiff_t>(3 * text.branches.size())) return std::nullopt;
        auto& own = words.emplace_back();
        for (std::size_t i = 0; i < text.branches.size(); ++i, next += 3)
            own.push_back({next[0], next[1] != 0, static_cast<std::uint64_t>(next[2])});
    }
    return words;
}

}  // namespace

struct Baseline::State {
    /// The engine alone, behind a context that it has read.
    EngineSequence& behind(std::span<Token const> context) {
        auto& live = alone();
        if (!std::ranges::equal(read, context)) {
            read.clear();
            live.cut(0);
            live.feed(context, 0, {});
            read.assign(context.begin(), context.end());
        }
        live.cut(context.size());
        return live;
    }
    EngineSequence& alone() {
        if (!sequence) sequence.emplace(*engine, capacity, true, branches);
        return *sequence;
    }
    std::vector<std::byte> live_logits(std::span<Token const> context, std::span<Token const> fed) {
        auto& live = behind(context);
        auto const piece = steps ? 1 : fed.size();
        return logits_of([&](EngineSequence::LogitSink const& sink) {
            for (; !fed.empty(); fed = fed.subspan(piece)) live.feed(fed.first(piece), 0, sink);
        });
    }

    BranchWords live_words(std::span<Token const> context, std::span<BranchedText const> texts) {
        BranchListener listener(texts);
        auto const sink = [&](std::size_t text, std::size_t branch, std::uint64_t index,
                              std::span<float const> logits) { listener.take(text, branch, index, logits); };
        if (branches > 0) {
            behind(context).feed_branches(texts, sink);
            return listener.words();
        }
        one_by_one(texts, sink, [&](std::span<Token const> fed, auto const& of_index) {
            auto& live = behind(context);
            auto const piece = steps ? 1 : fed.size();
            for (; !fed.empty(); fed = fed.subspan(piece))
                live.feed(fed.first(piece), 0, [&](std::uint64_t position, std::span<float const> logits) {
                    of_index(position - context.size(), logits);
                });
        });
        return listener.words();
    }

    Json key(char const* what, std::span<Token const> context) const {
        return {{"format", 1},
                {"baseline", what},
                {"model", cache.model},
                {"engine", engine_version()},
                {"toolchain", this_build().toolchain},
                {"processor", processor},
                {"threads", engine->threads()},
                {"gpu_layers", engine->gpu_layers()},
                {"capacity", capacity},
                {"batch", engine_batch_tokens},
                {"scored_batch", scored_batch_tokens},
                {"context", name_of(context)}};
    }
    static std::string name_of(std::span<Token const> tokens) {
        return fmt::format("{} {}", tokens.size(),
                           short_hash({reinterpret_cast<char const*>(tokens.data()), tokens.size_bytes()}));
    }
    static std::string name_of(std::span<BranchedText const> texts) {
        std::vector<Token> all;
        auto const add = [&](std::span<Token const> tokens) {
            all.push_back(static_cast<Token>(tokens.size()));
            all.insert(all.end(), tokens.begin(), tokens.end());
        };
        for (auto const& text : texts) {
            add(text.trunk);
            for (auto const& branch : text.branches) {
                add(branch.tokens);
                all.push_back(static_cast<Token>(branch.scored_from));
            }
            all.push_back(-1);
        }
        return name_of(std::span<Token const>(all));
    }
    bool judge(bool same) {
        if (same) return true;
        distrusted = true;
        read.clear();  // it may come from the kept copy
        return false;
    }
    KeptBytes kept(Json const& of, std::function<std::vector<std::byte>()> const& make) const {
        return cached_bytes(cache.folder, of, distrusted, make);
    }

    Engine const* engine;
    std::uint64_t capacity;
    bool steps;
    BaselineCache cache;
    std::uint64_t branches;
    std::string processor = host_of_attempts().cpu_model;
    std::optional<EngineSequence> sequence;
    std::vector<Token> read;  ///< the context that `sequence` has read
    bool distrusted = false;
};

Baseline::Baseline(Engine const& engine, std::uint64_t capacity, bool steps, BaselineCache cache,
                   std::uint64_t branches)
    : state_(std::make_unique<State>(&engine, capacity, steps, std::move(cache), branches)) {}
Baseline::~Baseline() = default;

KeptBytes Baseline::state(std::span<Token const> context) {
    auto key = state_->key("state", context);
    key.erase("capacity");  // the room behind a context is no part of it
    return state_->kept(key, [&] { return state_->behind(context).state(); });
}

LogitRows Baseline::logits(std::span<Token const> context, std::span<Token const> fed) {
    auto key = state_->key("logits", context);
    key["fed"] = State::name_of(fed);
    key["steps"] = state_->steps;
    return {state_->kept(key, [&] { return state_->live_logits(context, fed); }), state_->engine->vocabulary()};
}

BranchWords Baseline::words(std::span<Token const> context, std::span<BranchedText const> texts) {
    auto key = state_->key("words", context);
    key["texts"] = State::name_of(texts);
    key["steps"] = state_->steps;
    key["branches"] = state_->branches;
    auto const make = [&] { return to_bytes(state_->live_words(context, texts)); };
    if (auto words = words_from(state_->kept(key, make).bytes, texts)) return *std::move(words);
    state_->distrusted = true;
    return words_from(state_->kept(key, make).bytes, texts).value();
}

std::vector<Token> Baseline::greedy(std::span<Token const> context, Token first, std::uint64_t count) {
    auto key = state_->key("greedy", context);
    key["first"] = first;
    key["count"] = count;
    auto const kept = state_->kept(key, [&] {
        auto& live = state_->behind(context);
        std::vector<Token> text;
        for (auto token = first; text.size() < count; text.push_back(token))
            live.feed({&token, 1}, 0, [&](std::uint64_t, std::span<float const> row) { token = most_likely(row); });
        auto const bytes = std::as_bytes(std::span(text));
        return std::vector<std::byte>(bytes.begin(), bytes.end());
    });
    std::vector<Token> text(kept.bytes.size() / sizeof(Token));
    std::memcpy(text.data(), kept.bytes.data(), kept.bytes.size());
    return text;
}

LogitRows Baseline::live_logits(std::span<Token const> context, std::span<Token const> fed) {
    return {keep_bytes(state_->live_logits(context, fed)), state_->engine->vocabulary()};
}

BranchWords Baseline::live_words(std::span<Token const> context, std::span<BranchedText const> texts) {
    return state_->live_words(context, texts);
}

bool Baseline::verify_state(std::span<Token const> context) {
    auto const kept = state(context);
    return state_->judge(std::ranges::equal(kept.bytes, state_->behind(context).state()));
}

bool Baseline::verify_start_of_state(std::span<Token const> context, EngineSequence& sequence) {
    auto const kept = state(context);
    auto const batch = std::min<std::uint64_t>(context.size(), engine_batch_tokens);
    sequence.restore(kept.bytes, context.size());
    auto const kept_values = values_of(sequence, batch);
    sequence.clear();
    sequence.feed(context.first(batch), 0, {});
    bool const begins_so = values_of(sequence, batch) == kept_values;
    sequence.clear();
    if (!state_->judge(begins_so)) return false;
    state_->alone().restore(kept.bytes, context.size());
    state_->read.assign(context.begin(), context.end());
    return true;
}

bool Baseline::verify_words(std::span<Token const> context, std::span<BranchedText const> texts) {
    auto kept = words(context, texts);
    auto const compared = texts.first(texts_of_first_group(texts));
    kept.resize(compared.size());
    return state_->judge(same_words(kept, live_words(context, compared)));
}

bool Baseline::verify_logits(std::span<Token const> context, std::span<Token const> fed, std::uint64_t compared) {
    auto const kept = logits(context, fed);
    auto const first = fed.first(std::min<std::uint64_t>({fed.size(), compared, scored_batch_tokens}));
    return state_->judge(kept.rows() == fed.size() && kept.differing(live_logits(context, first)) == 0);
}

}  // namespace kvstone
