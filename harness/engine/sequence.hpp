#pragma once
// One sequence in the engine's cache, whose cells can be read and written between steps and while they run.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "backends/host_tensor.hpp"
#include "backends/kv_view.hpp"
#include "codecs/codec.hpp"
#include "harness/engine/branched_text.hpp"
#include "harness/engine/engine_context.hpp"

namespace kvstone {

/// A cache of f32 without flash attention, or the engine's own as it is deployed. The cell of a token is the engine's own
/// memory, which its attention reads: later tokens see the values that write() puts there. K is stored after RoPE.
class EngineSequence {
  public:
    /// Room for `capacity` tokens, and for `branches` branches at once. `plain`: the engine runs without a listener,
    /// and cells can neither be read nor written. Throws ConfigError where the architecture does not keep K and V of
    /// one shape in each layer (recurrent models, latent attention), SystemError where the engine cannot create the
    /// cache.
    EngineSequence(Engine const& engine, std::uint64_t capacity, bool plain = false, std::uint64_t branches = 0);
    /// One in a cache of the engine's own types, `plain`. Throws NotApplicable where the engine has no such cache for the
    /// model.
    EngineSequence(Engine const& engine, std::uint64_t capacity, EngineCache const& cache);
    ~EngineSequence();
    EngineSequence(EngineSequence&&) noexcept;

    Engine const& engine() const;
    std::uint64_t capacity() const;
    std::uint64_t branches() const;
    std::uint64_t tokens() const;
    /// The shape of K or V with this number of tokens.
    KvShape shape(Component component, std::uint64_t tokens) const;

    /// Takes the logits behind the token at `position`: one value for each token of the vocabulary, valid during the
    /// call.
    using LogitSink = std::function<void(std::uint64_t position, std::span<float const> logits)>;
    /// Appends tokens and runs them, engine_batch_tokens at once, or scored_batch_tokens where there is a sink: it is
    /// called in order for tokens from position `scored_from` on. Requires room. Throws SystemError where the engine
    /// fails.
    void feed(std::span<Token const> tokens, std::uint64_t scored_from, LogitSink const& sink);
    /// Reads texts that each continue this sequence, and forgets them: none of them sees another. Texts of a group (see
    /// group_branches(), with branch_batch_tokens) run at once. `sink` is called for each token before a scored one;
    /// for those of a trunk, once per branch. Requires branches, and room for a group. Throws SystemError where the
    /// engine fails.
    void feed_branches(std::span<BranchedText const> texts, BranchSink const& sink);
    /// Forgets the tokens from `tokens` on. Their values stay in the cells until others are written there: the engine
    /// multiplies them by a weight of zero, which hides every value except NaN and infinity.
    void cut(std::uint64_t tokens);
    /// Forgets every token and every value.
    void clear();
    /// Removes the tokens [first, end), none of which is the last one, as the engine does it: no token attends to them any
    /// more, the others keep their positions, and tokens() counts on from the last one. Later tokens may lie in the cells
    /// of removed ones, so that cells are no longer found by position: until all is forgotten or restored they can neither
    /// be read nor written.
    void remove(std::uint64_t first, std::uint64_t end);

    /// The complete state of the first tokens() tokens, in the engine's own format; restore() of another sequence of
    /// the same engine with room for them takes it.
    std::vector<std::byte> state() const;
    /// Forgets everything and takes a state() of `tokens` tokens. Throws CorruptData where the engine rejects it.
    void restore(std::span<std::byte const> state, std::uint64_t tokens);

    /// Copies cells of tokens [first, first + view.shape.tokens) and of layers [layer, layer + view.shape.layers) from
    /// or to a packed or strided f32 view in host memory, of all heads.
    void read(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view) const;
    void write(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view);

    /// Called during feed(), after the cells of one layer's K or V were written for tokens [first, first + count) and
    /// before attention reads them. It may read and write cells. Empty: there is no listener.
    using WrittenHook =
        std::function<void(Component component, std::uint64_t layer, std::uint64_t first, std::uint64_t count)>;
    void on_written(WrittenHook hook);

    /// Keeps the queries of the first `tokens` tokens that are read from now on, as attention multiplies them with K; 0: of
    /// none. Requires that nothing was read. Throws ConfigError from feed() where the architecture does not show them.
    void keep_queries(std::uint64_t tokens);
    /// [layer, query head, token, dim], f32.
    HostTensor const& queries() const;

  private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace kvstone
