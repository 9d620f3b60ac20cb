#include "harness/workloads/model/baseline.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "results/record/build.hpp"
#include "results/record/host.hpp"
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

Token most_likely(std::span<float const> logits) {
    return static_cast<Token>(std::ranges::max_element(logits) - logits.begin());
}

struct Baseline::State {
    /// The engine alone, behind a context that it has read.
    EngineSequence& behind(std::span<Token const> context) {
        if (!sequence) sequence.emplace(*engine, capacity, true);
        if (!std::ranges::equal(read, context)) {
            read.clear();
            sequence->cut(0);
            sequence->feed(context, 0, {});
            read.assign(context.begin(), context.end());
        }
        sequence->cut(context.size());
        return *sequence;
    }
    std::vector<std::byte> live_logits(std::span<Token const> context, std::span<Token const> fed) {
        auto& live = behind(context);
        auto const piece = steps ? 1 : fed.size();
        return logits_of([&](EngineSequence::LogitSink const& sink) {
            for (; !fed.empty(); fed = fed.subspan(piece)) live.feed(fed.first(piece), 0, sink);
        });
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
                {"context", name_of(context)}};
    }
    static std::string name_of(std::span<Token const> tokens) {
        return fmt::format("{} {}", tokens.size(),
                           short_hash({reinterpret_cast<char const*>(tokens.data()), tokens.size_bytes()}));
    }
    bool judge(bool same) {
        distrusted = distrusted || !same;
        return same;
    }
    KeptBytes kept(Json const& of, std::function<std::vector<std::byte>()> const& make) const {
        return cached_bytes(cache.folder, of, distrusted, make);
    }

    Engine const* engine;
    std::uint64_t capacity;
    bool steps;
    BaselineCache cache;
    std::string processor = describe_host().cpu_model;
    std::optional<EngineSequence> sequence;
    std::vector<Token> read;  ///< the context that `sequence` has read
    bool distrusted = false;
};

Baseline::Baseline(Engine const& engine, std::uint64_t capacity, bool steps, BaselineCache cache)
    : state_(std::make_unique<State>(&engine, capacity, steps, std::move(cache))) {}
Baseline::~Baseline() = default;

KeptBytes Baseline::state(std::span<Token const> context) {
    return state_->kept(state_->key("state", context), [&] { return state_->behind(context).state(); });
}

LogitRows Baseline::logits(std::span<Token const> context, std::span<Token const> fed) {
    auto key = state_->key("logits", context);
    key["fed"] = State::name_of(fed);
    key["steps"] = state_->steps;
    return {state_->kept(key, [&] { return state_->live_logits(context, fed); }), state_->engine->vocabulary()};
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

bool Baseline::verify_state(std::span<Token const> context) {
    auto const kept = state(context);
    return state_->judge(std::ranges::equal(kept.bytes, state_->behind(context).state()));
}

bool Baseline::verify_logits(std::span<Token const> context, std::span<Token const> fed, std::uint64_t steps_compared) {
    auto const kept = logits(context, fed);
    auto const compared =
        fed.first(std::min<std::uint64_t>(fed.size(), state_->steps ? steps_compared : engine_batch_tokens));
    return state_->judge(kept.rows() == fed.size() && kept.differing(live_logits(context, compared)) == 0);
}

}  // namespace kvstone
