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
#include "harness/workloads/model/token_score.hpp"

namespace kvstone {

/// How long the parts of one score() took; 0: not run.
struct PathTimes {
    std::int64_t context_ns = 0;       ///< reading the context, codec included; 0 too where it was put there
    std::int64_t continuation_ns = 0;  ///< reading the continuation
};

/// The facts of one branch of a text.
struct BranchScore {
    BranchWord coded;
    BranchWord baseline;
    std::uint64_t tokens = 0;  ///< scored
    double read_fraction = 0;  ///< summed over them
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
    /// there. `branches` are read at once, see EngineSequence, where the protocol leaves what follows the context alone;
    /// else, and where it is 0, one by one. Throws as EngineSequence and codec_path() do.
    Evaluation(Engine const& engine, Codec const& codec, PathSettings const& settings, std::uint64_t capacity,
               BaselineCache cache = {}, std::uint64_t branches = 0);
    ~Evaluation();

    /// Reads a context; once prove() held, one that the engine reads before anything is coded is put there as the engine
    /// alone had read it. Does nothing where the last begin() or prove() left it so. What follows starts behind it.
    void begin(std::span<Token const> context);
    /// Reads a continuation from behind the context, and scores its tokens but the first, whose logits come from before the
    /// codec (protocol context).
    std::vector<TokenScore> score(std::span<Token const> continuation);
    /// Reads texts that each go on from behind the context.
    std::vector<std::vector<BranchScore>> score(std::span<BranchedText const> texts);
    /// Generates `tokens` tokens on both paths behind the context and `first`.
    GreedyPair generate(Token first, std::uint64_t tokens);

    /// Shows on one text, as score() would read it, that figures of this evaluation mean something:
    /// - the kept baseline is, bit by bit, the engine's own answer now; else it is made anew;
    /// - with codec `raw` in the path the logits are, bit by bit, those of the engine alone, that nobody listens to, too, and
    ///   where a kept context was put there instead of being read;
    /// - what the codec writes, corrupted, changes them (unless the codec writes nothing that is read).
    /// Where `texts` are given, the first two hold of them, too. Returns what did not hold, or nothing. Leaves the
    /// evaluation as begin(context) does: the context read and timed where it is to be `timed`, else put there. Of a
    /// context that is not timed the first batch is read, see Baseline::verify_start_of_state().
    std::optional<std::string> prove(std::span<Token const> context, std::span<Token const> continuation,
                                     std::span<BranchedText const> texts = {}, bool timed = true);

    CacheBytes bytes(Component component);
    PathTimes const& times() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
