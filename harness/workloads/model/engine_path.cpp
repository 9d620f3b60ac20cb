// The engine's own cache: it codes each token as it is written, before attention reads it, as protocol inline does. Nothing of
// ours stands in its path.

#include <utility>

#include <fmt/format.h>

#include "codecs/from_outside.hpp"
#include "codecs/not_applicable.hpp"
#include "harness/engine/engine_cache.hpp"
#include "harness/workloads/model/paths.hpp"

namespace kvstone {
namespace {

class EnginePath : public CodecPath {
  public:
    EnginePath(EngineSequence& sequence, PathSettings const& settings)
        : CodecPath(sequence), cache_(settings.engine.value()), steps_(settings.protocol == Protocol::decode) {}

    void feed(std::span<Token const> tokens, EngineSequence::LogitSink const& sink) override {
        feed_by(steps_ ? 1 : tokens.size(), tokens, sink);
    }
    /// All, except in the cache of every comparison, which codes nothing.
    double read_fraction(std::uint64_t) const override { return cache_ == EngineCache{} ? 0 : 1; }
    bool reads_by_itself() const override { return false; }
    CacheBytes bytes(Component component) override {
        auto const& model = sequence_->engine().path();
        auto const stored = stored_cache(sequence_->state(), component, model);
        auto const& asked = component == Component::k ? cache_.k_type : cache_.v_type;
        if (stored.type != asked)
            throw NotApplicable("the engine keeps another type for this model", stored.type, {asked});
        KvShape shape{sequence_->engine().layers(), sequence_->engine().kv_heads(), sequence_->tokens(), 0};
        shape.dim = stored.values / (shape.layers * shape.heads * shape.tokens);
        CacheBytes result;
        result.shape = shape;
        result.ledger.bill(LedgerLine::payload, stored.bytes);
        result.stored_as = stored.rotated_channels == 0
                               ? stored.type
                               : fmt::format("{} rotated over {} channels", stored.type, stored.rotated_channels);
        result.nominal_bits_per_value = 8 * static_cast<double>(stored.bytes) / static_cast<double>(stored.values);
        return result;
    }

  protected:
    void code_context() override {
        if (!corrupted()) return;
        auto state = sequence_->state();
        spoil_values(state, sequence_->engine().path());
        sequence_->restore(state, context_tokens());
    }

  private:
    EngineCache cache_;
    bool steps_;
};

}  // namespace

std::unique_ptr<CodecPath> engine_path(EngineSequence& sequence, PathSettings const& settings) {
    return std::make_unique<EnginePath>(sequence, settings);
}

std::optional<EngineCache> engine_cache_of(Codec const& codec) {
    auto const& stage = codec.rules().front().pipeline.front();
    if (stage.name != engine_cache_stage) return std::nullopt;
    EngineCache cache;
    cache.k_type = stage.options.at("k");
    cache.v_type = stage.options.at("v");
    auto const& flash = stage.options.at("flash");
    cache.flash = flash == "on" ? FlashAttention::on : flash == "off" ? FlashAttention::off : FlashAttention::automatic;
    cache.rotates = stage.options.at("rotation") != "off";
    return cache;
}

}  // namespace kvstone
