#pragma once
// What a model says without a codec: the engine alone, or what was kept of it, so that a grid of codecs pays for it once.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/captures/capture_cache.hpp"
#include "harness/engine/sequence.hpp"
#include "harness/workloads/model/branch_words.hpp"
#include "harness/workloads/model/token_score.hpp"

namespace kvstone {

/// Where baselines are kept (harness/captures/capture_cache.hpp; empty: nowhere), and the model's content hash.
struct BaselineCache {
    std::string folder;
    std::string model;
};

/// The logits behind each token that was fed, one row after the other; f32.
class LogitRows {
  public:
    LogitRows(KeptBytes kept, std::size_t vocabulary);
    std::size_t rows() const { return values_.size() / vocabulary_; }
    std::span<float const> row(std::size_t index) const { return values_.subspan(index * vocabulary_, vocabulary_); }
    /// How many logits of the rows that both have differ, bit by bit.
    std::size_t differing(LogitRows const& other) const;

  private:
    KeptBytes kept_;
    std::span<float const> values_;
    std::size_t vocabulary_;
};

/// Feeds through `feed(sink)` and keeps what the sink is given.
template <class Feed>
std::vector<std::byte> logits_of(Feed const& feed) {
    std::vector<std::byte> bytes;
    feed([&](std::uint64_t, std::span<float const> logits) {
        auto const row = std::as_bytes(logits);
        bytes.insert(bytes.end(), row.begin(), row.end());
    });
    return bytes;
}

/// Of contexts and what follows them, on a sequence that nobody listens to. A kept baseline is known by everything that may
/// decide a bit of it: the model, the tokens, how they are fed, the engine, its threads and settings, and the processor.
class Baseline {
  public:
    /// `steps`: what follows a context is fed token by token. `branches`: see EngineSequence; 0: branches are fed one by one.
    Baseline(Engine const& engine, std::uint64_t capacity, bool steps, BaselineCache cache, std::uint64_t branches = 0);
    ~Baseline();

    /// EngineSequence::state() behind a context.
    KeptBytes state(std::span<Token const> context);
    LogitRows logits(std::span<Token const> context, std::span<Token const> fed);
    /// Of texts that go on from a context.
    BranchWords words(std::span<Token const> context, std::span<BranchedText const> texts);
    /// Tokens that follow a context and `first`, the most likely one each time.
    std::vector<Token> greedy(std::span<Token const> context, Token first, std::uint64_t count);

    /// The same from the engine as it runs now, whatever is kept.
    LogitRows live_logits(std::span<Token const> context, std::span<Token const> fed);
    BranchWords live_words(std::span<Token const> context, std::span<BranchedText const> texts);
    /// Whether the kept baseline is, bit by bit, the engine's answer now. Else nothing kept is trusted any more, and the part
    /// asked for from then on is made anew, and replaced. Of a state all of it; or its first batch, read into a sequence of as
    /// many tokens whose cells can be read and which is left empty: each value behind it has its part in the logits, whose
    /// turn comes then.
    bool verify_state(std::span<Token const> context);
    bool verify_start_of_state(std::span<Token const> context, EngineSequence& sequence);
    /// Of the first `compared` tokens, at most those that run at once.
    bool verify_logits(std::span<Token const> context, std::span<Token const> fed, std::uint64_t compared);
    /// Of the texts that are read in one go, or of the first.
    bool verify_words(std::span<Token const> context, std::span<BranchedText const> texts);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
