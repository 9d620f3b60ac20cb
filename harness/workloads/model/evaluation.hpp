#pragma once
// A model's answers with a codec in its path, token by token, beside its answers without one.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/workloads/energy_meter.hpp"
#include "harness/workloads/model/baseline.hpp"
#include "harness/workloads/model/codec_path.hpp"
#include "harness/workloads/model/token_score.hpp"

namespace kvstone {

/// How long the parts of one score() took; 0: not run.
struct PathTimes {
    std::int64_t context_ns = 0;                ///< reading the context, codec included; 0 also where it was restored
    std::int64_t continuation_ns = 0;           ///< reading the continuation
    std::optional<double> context_joules = {};  ///< of the context's time and the checks in it; empty: not told
};

/// The facts of one branch of a text.
struct BranchScore {
    BranchWord coded;
    BranchWord baseline;
    std::uint64_t tokens = 0;  ///< scored
    double read_fraction = 0;  ///< summed over them
};

/// Two generations from one context, with the most likely token each time.
struct GreedyPair {
    std::vector<Token> baseline;
    std::vector<Token> tokens;
    std::int64_t ns = 0;                ///< of `tokens`, codec included
    std::optional<double> joules = {};  ///< of the same and the checks in it; empty: not told
};

/// The model whose answers with a plain cache are the measure, where it is not the evaluated one: of the same vocabulary.
struct ReferenceModel {
    Engine const* engine = nullptr;
    BaselineCache cache = {};
};

/// A model, a codec and a protocol: a sequence with the codec in its path, and the answers of the model alone
/// (Baseline).
class Evaluation {
  public:
    /// Sequences have at most `capacity` tokens. The answers without the codec are kept in `cache`, and taken from
    /// there. `branches` are read at once, see EngineSequence, where the protocol does not change the tokens behind the
    /// context; otherwise, and where it is 0, one by one. Scores compare with the answers of `reference`, where it has an
    /// engine. Throws as EngineSequence and codec_path() do.
    Evaluation(Engine const& engine, Codec const& codec, PathSettings const& settings, std::uint64_t capacity,
               BaselineCache cache = {}, std::uint64_t branches = 0, ReferenceModel reference = {});
    ~Evaluation();

    /// From now on contexts and generations have an energy, too.
    void read_energy(EnergyMeter meter);

    /// Reads a context. Once prove() has succeeded, a context that the engine reads before it is coded is restored from
    /// the kept state of the engine alone. Does nothing where the last begin() or prove() left the same context. The
    /// next calls start behind it.
    void begin(std::span<Token const> context);
    /// Reads a continuation behind the context, and scores its tokens except the first, whose logits were computed
    /// before the codec (protocol context).
    std::vector<TokenScore> score(std::span<Token const> continuation);
    /// Reads texts that each continue the context.
    std::vector<std::vector<BranchScore>> score(std::span<BranchedText const> texts);
    /// Generates `tokens` tokens on both paths, behind the context and `first`.
    GreedyPair generate(Token first, std::uint64_t tokens);

    /// Proves on one text, read as in score(), that figures of this evaluation are valid:
    /// - the kept baseline equals, bit by bit, the engine's answer now; otherwise it is made again;
    /// - with codec `raw` in the path the logits equal, bit by bit, those of the engine alone without a listener, also
    ///   where a kept context was restored instead of being read;
    /// - corrupting the codec's output changes the logits (unless no token reads it).
    /// Where `texts` are given, the first two are checked for them, too. Returns the failed proof, or nothing. Leaves
    /// the evaluation in the state after begin(context): the context is read and timed where it is to be `timed`, else
    /// restored. For a context that is not timed the first batch is read, see Baseline::verify_start_of_state().
    std::optional<std::string> prove(std::span<Token const> context, std::span<Token const> continuation,
                                     std::span<BranchedText const> texts = {}, bool timed = true);

    CacheBytes bytes(Component component);
    PathTimes const& times() const;
    /// How much this process grew when the cache for `capacity` tokens was made; graph and buffers of a step come later.
    std::uint64_t memory_growth_bytes() const;
    /// Of the buffers in which the engine computes with this path, by its own log; without flash attention they grow with
    /// `capacity`.
    std::uint64_t compute_bytes() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
