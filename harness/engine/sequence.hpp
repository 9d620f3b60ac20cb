#pragma once
// One sequence in the engine's cache, whose cells can be read and written between steps and while they run.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"
#include "harness/engine/branched_text.hpp"
#include "harness/engine/engine_context.hpp"

namespace kvstone {

/// A cache of f32 without flash attention. The cell of a token is the engine's own memory, which its attention reads: what
/// write() puts there is what every later token sees. K lies there after RoPE.
class EngineSequence {
  public:
    /// Room for `capacity` tokens, of `branches` branches at once. `plain`: the engine runs without anybody listening, and
    /// cells can neither be read nor written. Throws ConfigError where the architecture keeps no K and V of one shape for
    /// each layer (recurrent models, latent attention), SystemError where the engine cannot make the cache.
    EngineSequence(Engine const& engine, std::uint64_t capacity, bool plain = false, std::uint64_t branches = 0);
    ~EngineSequence();
    EngineSequence(EngineSequence&&) noexcept;

    Engine const& engine() const;
    std::uint64_t capacity() const;
    std::uint64_t branches() const;
    std::uint64_t tokens() const;
    /// Of K or V, `tokens` as given.
    KvShape shape(Component component, std::uint64_t tokens) const;

    /// Takes the logits of what follows the token at `position`: one value for each token of the vocabulary, which go when
    /// the call returns.
    using LogitSink = std::function<void(std::uint64_t position, std::span<float const> logits)>;
    /// Appends tokens and runs them, engine_batch_tokens at once, or scored_batch_tokens where there is a sink: it is called
    /// for those at position `scored_from` and behind, in order. Requires room. Throws SystemError where the engine fails.
    void feed(std::span<Token const> tokens, std::uint64_t scored_from, LogitSink const& sink);
    /// Reads texts that each go on from here, and forgets them: none of them sees another. Those of a group (see
    /// group_branches(), with branch_batch_tokens) run at once. `sink` is called for the tokens that foretell scored ones,
    /// those of a trunk once for each branch. Requires branches, and room for a group. Throws SystemError where the engine
    /// fails.
    void feed_branches(std::span<BranchedText const> texts, BranchSink const& sink);
    /// Forgets the tokens from `tokens` on. Their values stay in the cells until others are written there: the engine
    /// multiplies them by a weight of zero, which hides every value but NaN and infinity.
    void cut(std::uint64_t tokens);
    /// Forgets every token and every value.
    void clear();

    /// All there is of the first tokens() tokens, in the engine's own form, which another sequence of the same engine with
    /// room for them takes with restore().
    std::vector<std::byte> state() const;
    /// Forgets everything and takes what state() of `tokens` tokens gave. Throws CorruptData where the engine does not.
    void restore(std::span<std::byte const> state, std::uint64_t tokens);

    /// Copies cells of tokens [first, first + view.shape.tokens) and of layers [layer, layer + view.shape.layers) from
    /// or to a packed or strided f32 view in host memory, of all heads.
    void read(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view) const;
    void write(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view);

    /// Called while feed() runs, when the cells of one layer's K or V have been written for tokens [first, first +
    /// count) and before attention reads them. May read and write cells. Empty: nobody listens.
    using WrittenHook =
        std::function<void(Component component, std::uint64_t layer, std::uint64_t first, std::uint64_t count)>;
    void on_written(WrittenHook hook);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
