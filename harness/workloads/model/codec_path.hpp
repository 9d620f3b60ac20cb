#pragma once
// A codec between a model's writes into its cache and its attention's reads.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/backend.hpp"
#include "backends/one_thread.hpp"
#include "codecs/codec.hpp"
#include "codecs/ledger.hpp"
#include "codecs/not_applicable.hpp"
#include "codecs/rope.hpp"
#include "harness/engine/engine_cache.hpp"
#include "harness/engine/sequence.hpp"

namespace kvstone {

/// context: the context's K and V are encoded and decoded as whole tensors, through the sealed container, and are in
/// the cache when the continuation is read; the continuation's own K and V stay unchanged. Tokens that the codec drops are
/// removed from the engine's cache, and the others keep their positions.
/// within ("inline"): every K and V passes through the codec as it is written, before attention reads it.
/// decode: the context first, then token by token; cells are rewritten when the codec's groups and windows are done
/// with them.
enum class Protocol : std::uint8_t { context, within, decode };
std::string_view name_of(Protocol protocol);
/// Throws ConfigError where no protocol has that name.
Protocol protocol_named(std::string_view name);

/// For protocol decode. clean: the engine reads the context by itself, then its cache is passed to the codec.
/// compressed: the context comes in pieces of prefill_piece_tokens, each coded before the next one attends to it.
enum class Prefill : std::uint8_t { clean, compressed };
inline constexpr std::uint64_t prefill_piece_tokens = 128;

/// Stored bytes of K or V of a sequence.
struct CacheBytes {
    KvShape shape;  ///< of all tokens, those that a codec drops, too
    ByteLedger ledger;
    double nominal_bits_per_value = 0;
    std::optional<std::uint64_t> held_bytes;  ///< of a cache that grows: blocks begun and tokens held as they came
    std::optional<double> kept_share = {};    ///< of the tokens, where a codec drops some
    std::string stored_as = {};  ///< of the engine's own cache: type and rotation, read from its state; else empty
};

struct PathSettings {
    Protocol protocol = Protocol::context;
    Prefill prefill = Prefill::clean;
    BackendKind backend = BackendKind::openmp;
    std::optional<Rope> rope;  ///< of K, where it is known
    /// The engine's own cache in place of a codec of this program, in protocols inline and decode, which are the same to it
    /// but for the tokens that are fed at once: it codes every token as it is written, those of the context, too.
    std::optional<EngineCache> engine = {};
};

/// The engine's cache, where a codec's text asks for it.
std::optional<EngineCache> engine_cache_of(Codec const& codec);

/// One sequence with a codec in its path. The sequence must outlive it.
class CodecPath {
  public:
    virtual ~CodecPath() = default;
    CodecPath(CodecPath const&) = delete;
    CodecPath& operator=(CodecPath const&) = delete;

    /// Empties the sequence and reads the context. `state` may be EngineSequence::state() of the context without a
    /// codec: where the protocol lets the engine read the context by itself, it is restored instead. Returns whether
    /// the context was read.
    bool begin(std::span<Token const> context, std::span<std::byte const> state = {});
    /// Continues reading; logits as in EngineSequence::feed(), for every token fed.
    virtual void feed(std::span<Token const> tokens, EngineSequence::LogitSink const& sink) = 0;
    /// Returns to the state after begin().
    void rewind();
    /// The share of vectors that had passed through the codec, among those of K and V in all layers and heads that the
    /// token at `position` attended to; sinks and windows kept as plain numbers had not passed, and to dropped tokens none
    /// attends. `position` is that of the present feed().
    virtual double read_fraction(std::uint64_t position) const = 0;
    /// Stored bytes of K or V: in protocol context of the context, in the others of all tokens so far.
    virtual CacheBytes bytes(Component component) = 0;
    /// Whether the engine reads a context by itself, before it is coded.
    virtual bool reads_by_itself() const { return true; }
    /// From now on the codec's output is corrupted on its way into the cache: in protocol context in the container,
    /// below its checksum; in the others, as decoded values.
    void corrupt(bool corrupted) { corrupted_ = corrupted; }

  protected:
    explicit CodecPath(EngineSequence& sequence) : sequence_(&sequence) {}
    /// Forgets everything kept about the sequence so far.
    virtual void start() {}
    /// Lets the engine read the context.
    virtual void read_context(std::span<Token const> context) { sequence_->feed(context, 0, {}); }
    /// Codes a context that the engine has read by itself.
    virtual void code_context() {}
    /// Returns to the context, after the sequence was cut.
    virtual void code_again() {}
    /// Hands tokens to the engine, `piece` at once.
    void feed_by(std::uint64_t piece, std::span<Token const> tokens, EngineSequence::LogitSink const& sink) const;
    /// Writes decoded values, f32 in host memory, into the cache.
    void write(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view);
    std::uint64_t columns() const;  ///< layers x heads
    std::uint64_t context_tokens() const { return context_tokens_; }
    bool corrupted() const { return corrupted_; }

    EngineSequence* sequence_;

    /// One thread, where the codec gets so few values that more threads would wait for one another; else null. Passages
    /// of a few thousand vectors take microseconds, and waking a thread takes as long on a busy machine.
    OneThread const* few(KvShape const& shape) const { return shape.values() < few_values ? &one_thread_ : nullptr; }

  private:
    static constexpr std::uint64_t few_values = std::uint64_t{1} << 15;
    OneThread one_thread_;
    std::uint64_t context_tokens_ = 0;
    bool corrupted_ = false;
};

/// Without a codec; `steps`: token by token behind the context, as protocol decode does.
std::unique_ptr<CodecPath> plain_path(EngineSequence& sequence, bool steps);
/// Throws ConfigError where the codec does not fit the model, NotApplicable where the protocol cannot run it.
std::unique_ptr<CodecPath> codec_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings);

}  // namespace kvstone
