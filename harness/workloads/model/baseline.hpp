#pragma once
// A model's answers without a codec, from the engine or from a kept copy, so that a grid of codecs pays for them once.

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

/// The folder of baselines (harness/captures/capture_cache.hpp; empty: none are kept), and the model's content hash.
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
    /// The number of logits that differ, bit by bit, in rows that both have.
    std::size_t differing(LogitRows const& other) const;

  private:
    KeptBytes kept_;
    std::span<float const> values_;
    std::size_t vocabulary_;
};

/// Feeds through `feed(sink)` and keeps the logits given to the sink.
template <class Feed>
std::vector<std::byte> logits_of(Feed const& feed) {
    std::vector<std::byte> bytes;
    feed([&](std::uint64_t, std::span<float const> logits) {
        auto const row = std::as_bytes(logits);
        bytes.insert(bytes.end(), row.begin(), row.end());
    });
    return bytes;
}

/// Answers behind contexts, on a sequence without a listener. A kept baseline is identified by everything that may
/// decide a bit of it: the model, the tokens, how they are fed, the engine, its threads and settings, and the
/// processor.
class Baseline {
  public:
    /// `steps`: tokens behind a context are fed one by one. `branches`: see EngineSequence; 0: branches are fed one by
    /// one.
    Baseline(Engine const& engine, std::uint64_t capacity, bool steps, BaselineCache cache, std::uint64_t branches = 0);
    ~Baseline();

    /// EngineSequence::state() behind a context.
    KeptBytes state(std::span<Token const> context);
    LogitRows logits(std::span<Token const> context, std::span<Token const> fed);
    /// Answers to texts that continue a context.
    BranchWords words(std::span<Token const> context, std::span<BranchedText const> texts);
    /// The tokens behind a context and `first`, the most likely one each time.
    std::vector<Token> greedy(std::span<Token const> context, Token first, std::uint64_t count);

    /// Logits from the engine as it runs now, never from a kept copy.
    LogitRows live_logits(std::span<Token const> context, std::span<Token const> fed);
    BranchWords live_words(std::span<Token const> context, std::span<BranchedText const> texts);
    /// Whether the kept baseline equals, bit by bit, the engine's answer now. Otherwise no kept part is trusted any
    /// more, and each part asked for later is made and kept again. Compares the whole of a state; or its first batch,
    /// which is read into a sequence of as many tokens whose cells can be read and which is left empty: all later
    /// values contribute to the logits, which are compared afterwards.
    bool verify_state(std::span<Token const> context);
    bool verify_start_of_state(std::span<Token const> context, EngineSequence& sequence);
    /// Compares the first `compared` tokens, at most those that run at once.
    bool verify_logits(std::span<Token const> context, std::span<Token const> fed, std::uint64_t compared);
    /// Compares the texts that are read in one go, or the first of them.
    bool verify_words(std::span<Token const> context, std::span<BranchedText const> texts);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
