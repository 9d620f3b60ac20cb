#pragma once
// What a model says with a codec in its path, token by token, beside what it says without one.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/model/codec_path.hpp"

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
/// The first of the most likely tokens.
Token most_likely(std::span<float const> logits);

/// How long the parts of one score() took; 0: not run.
struct PathTimes {
    std::int64_t context_ns = 0;       ///< reading the context, codec included
    std::int64_t continuation_ns = 0;  ///< reading the continuation
};

/// Two generations from one context, by the most likely token each time.
struct GreedyPair {
    std::vector<Token> baseline;
    std::vector<Token> tokens;
    std::int64_t ns = 0;  ///< of `tokens`, codec included
};

/// A model, a codec and a protocol. Keeps two sequences: one with the codec in its path and one without.
class Evaluation {
  public:
    /// Sequences have at most `capacity` tokens. Throws as EngineSequence and codec_path() do.
    Evaluation(Engine const& engine, Codec const& codec, PathSettings const& settings, std::uint64_t capacity);
    ~Evaluation();

    /// Reads a context on both paths. What follows starts behind it.
    void begin(std::span<Token const> context);
    /// Reads a continuation on both paths, from behind the context, and scores its tokens but the first, whose logits come
    /// from before the codec (protocol context).
    std::vector<TokenScore> score(std::span<Token const> continuation);
    /// Generates `tokens` tokens on both paths behind the context and `first`.
    GreedyPair generate(Token first, std::uint64_t tokens);

    /// Shows on one text that figures of this evaluation mean something:
    /// - without a codec the logits are, bit by bit, those of an engine that nobody listens to;
    /// - with codec `raw` in the path they are, too;
    /// - what the codec writes, spoilt, changes them (unless the codec writes nothing that is read).
    /// Returns what did not hold, or nothing. Leaves the evaluation as begin(context) does.
    std::optional<std::string> prove(std::span<Token const> context, std::span<Token const> continuation);

    CacheBytes bytes(Component component);
    PathTimes const& times() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
