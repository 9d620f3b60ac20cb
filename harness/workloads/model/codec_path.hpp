#pragma once
// How a codec comes between what a model writes into its cache and what its attention reads from it.

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
#include "harness/engine/sequence.hpp"

namespace kvstone {

/// context: the context's K and V are encoded and decoded as whole tensors, through the sealed container, and lie in the
///   cache when the continuation is read; the continuation's own K and V stay as they are.
/// within ("inline"): every K and V passes through the codec as it is written, before anything attends to it.
/// decode: the context first, then token by token; cells are rewritten as the codec's groups and windows let go of them.
enum class Protocol : std::uint8_t { context, within, decode };
std::string_view name_of(Protocol protocol);
/// Throws ConfigError where no protocol has that name.
Protocol protocol_named(std::string_view name);

/// Of protocol decode. clean: the engine reads the context by itself, then its cache is handed to the codec. compressed:
/// it comes in pieces of prefill_piece_tokens, each handed on before the next one reads it.
enum class Prefill : std::uint8_t { clean, compressed };
inline constexpr std::uint64_t prefill_piece_tokens = 128;

/// Stored bytes of K or V of a sequence.
struct CacheBytes {
    KvShape shape;
    ByteLedger ledger;
    double nominal_bits_per_value = 0;
    std::optional<std::uint64_t> held_bytes;  ///< of a cache that grows: blocks begun and tokens held as they came
};

struct PathSettings {
    Protocol protocol = Protocol::context;
    Prefill prefill = Prefill::clean;
    BackendKind backend = BackendKind::openmp;
    std::optional<Rope> rope;  ///< what K went through, where that is known
};

/// One sequence with a codec in its path. The sequence must outlive it.
class CodecPath {
  public:
    virtual ~CodecPath() = default;
    CodecPath(CodecPath const&) = delete;
    CodecPath& operator=(CodecPath const&) = delete;

    /// Empties the sequence and reads the context. Where `state` is EngineSequence::state() of the context without a
    /// codec, and the protocol has the engine read it by itself, it is taken from there; returns whether it was read.
    bool begin(std::span<Token const> context, std::span<std::byte const> state = {});
    /// Reads on; logits as EngineSequence::feed() has them, of every token fed.
    virtual void feed(std::span<Token const> tokens, EngineSequence::LogitSink const& sink) = 0;
    /// Goes back to where begin() left.
    void rewind();
    /// Of the vectors in all layers and heads, K and V, that the token at `position` attended to, those that had come
    /// through the codec; sinks and windows kept as plain numbers had not. Of the position that feed() is at.
    virtual double read_fraction(std::uint64_t position) const = 0;
    /// What the codec stores of K or V: protocol context of the context, the others of all tokens so far.
    virtual CacheBytes bytes(Component component) = 0;
    /// Whether the engine reads a context by itself, before anything is coded.
    virtual bool reads_by_itself() const { return true; }
    /// From now on what the codec gives is corrupted on its way into the cache: protocol context in the container, below its
    /// checksum, the others as decoded values.
    void corrupt(bool corrupted) { corrupted_ = corrupted; }

  protected:
    explicit CodecPath(EngineSequence& sequence) : sequence_(&sequence) {}
    /// Forgets what was kept of the sequence so far.
    virtual void start() {}
    /// Has the engine read the context.
    virtual void read_context(std::span<Token const> context) { sequence_->feed(context, 0, {}); }
    /// Codes a context that the engine read by itself.
    virtual void code_context() {}
    /// Comes back to the context, after the sequence was cut.
    virtual void code_again() {}
    /// Writes decoded values, f32 in host memory, into the cache.
    void write(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view);
    std::uint64_t columns() const;  ///< layers x heads
    std::uint64_t context_tokens() const { return context_tokens_; }
    bool corrupted() const { return corrupted_; }

    EngineSequence* sequence_;

    /// One thread, where the codec gets so few values that more would wait for one another; else null. Passages of a few
    /// thousand vectors take microseconds, and waking a thread takes as long where the machine is busy.
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
