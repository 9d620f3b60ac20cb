#pragma once
// What a model says with a codec in its path, token by token, beside what it says without one.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/workloads/model/baseline.hpp"
#include "harness/workloads/model/codec_path.hpp"

namespace kvstone {

/// What is known of one scored token: the one at `position`, foretold by the logits of the one before it.
struct TokenScore {
    std::uint64_t position = 0;
    double nll = 0;           ///< -log of its probability, nat
    double baseline_nll = 0;  ///< the same from the uncompressed cache
    double kld = 0;           ///< KL(uncompressed || compressed) of the whole distribution, nat
    bool same_top = false;    ///< the most likely token is the same
    bool top = false;         ///< the scored token is the most likely one
    bool baseline_top = false;
    double read_fraction = 0;  ///< of the K and V read, see CodecPath
};

/// Of two distributions over a vocabulary, given by logits, and the token that came. Requires as many logits in both.
TokenScore compare_logits(std::span<float const> baseline, std::span<float const> logits, Token token);
/// log p(token) under logits, nat.
double log_probability(std::span<float const> logits, Token token);

/// How long the parts of one score() took; 0: not run.
struct PathTimes {
    std::int64_t context_ns = 0;       ///< reading the context, codec included; 0 too where it was put there
    std::int64_t continuation_ns = 0;  ///< reading the continuation
};

/// Two generations from one context, by the most likely token each time.
struct GreedyPair {
    std::vector<Token> baseline;
    std::vector<Token> tokens;
    std::int64_t ns = 0;  ///< of `tokens`, codec included
};

/// A model, a codec and a protocol: a sequence with the codec in its path, beside the model's own word (Baseline).
class Evaluation {
  public:
    /// Sequences have at most `capacity` tokens. What the model says without the codec is kept in `cache`, and taken from
    /// there. Throws as EngineSequence and codec_path() do.
    Evaluation(Engine const& engine, Codec const& codec, PathSettings const& settings, std::uint64_t capacity,
               BaselineCache cache = {});
    ~Evaluation();

    /// Reads a context; once prove() held, one that the engine reads before anything is coded is put there as the engine
    /// alone had read it. Does nothing where the last begin() or prove() left it so. What follows starts behind it.
    void begin(std::span<Token const> context);
    /// Reads a continuation from behind the context, and scores its tokens but the first, whose logits come from before the
    /// codec (protocol context).
    std::vector<TokenScore> score(std::span<Token const> continuation);
    /// Generates `tokens` tokens on both paths behind the context and `first`.
    GreedyPair generate(Token first, std::uint64_t tokens);

    /// Shows on one text, as score() would read it, that figures of this evaluation mean something:
    /// - what is kept of the model without a codec is, bit by bit, what the engine alone says now; else it is made anew;
    /// - with codec `raw` in the path the logits are, bit by bit, those of the engine alone, that nobody listens to, too, and
    ///   where a kept context was put there instead of being read;
    /// - what the codec writes, corrupted, changes them (unless the codec writes nothing that is read).
    /// Returns what did not hold, or nothing. Leaves the evaluation as begin(context) does, the context read and timed.
    std::optional<std::string> prove(std::span<Token const> context, std::span<Token const> continuation);

    CacheBytes bytes(Component component);
    PathTimes const& times() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
