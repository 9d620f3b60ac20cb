#include "harness/workloads/model/codec_path.hpp"

#include <vector>

#include <fmt/format.h>

#include "harness/workloads/model/paths.hpp"

namespace kvstone {
namespace {

class PlainPath : public CodecPath {
  public:
    PlainPath(EngineSequence& sequence, bool steps) : CodecPath(sequence), steps_(steps) {}
    void feed(std::span<Token const> tokens, EngineSequence::LogitSink const& sink) override {
        feed_by(steps_ ? 1 : tokens.size(), tokens, sink);
    }
    double read_fraction(std::uint64_t) const override { return 0; }
    CacheBytes bytes(Component component) override {
        return {sequence_->shape(component, sequence_->tokens()), {}, 32, {}};
    }

  private:
    bool steps_;
};

}  // namespace

std::string_view name_of(Protocol protocol) {
    switch (protocol) {
        case Protocol::context:
            return "context";
        case Protocol::within:
            return "inline";
        case Protocol::decode:
            break;
    }
    return "decode";
}

Protocol protocol_named(std::string_view name) {
    for (auto const protocol : {Protocol::context, Protocol::within, Protocol::decode})
        if (name_of(protocol) == name) return protocol;
    throw ConfigError("unknown protocol", std::string(name), {"context", "inline", "decode"});
}

bool CodecPath::begin(std::span<Token const> context, std::span<std::byte const> state) {
    bool const reads = state.empty() || !reads_by_itself();
    sequence_->cut(0);
    start();
    if (reads)
        read_context(context);
    else
        sequence_->restore(state, context.size());
    context_tokens_ = context.size();
    code_context();
    return reads;
}

void CodecPath::rewind() {
    sequence_->cut(context_tokens_);
    code_again();
}

void CodecPath::feed_by(std::uint64_t piece, std::span<Token const> tokens,
                        EngineSequence::LogitSink const& sink) const {
    for (; !tokens.empty(); tokens = tokens.subspan(piece)) sequence_->feed(tokens.first(piece), 0, sink);
}

std::uint64_t CodecPath::columns() const {
    auto const shape = sequence_->shape(Component::k, 1);
    return shape.layers * shape.heads;
}

void CodecPath::write(Component component, std::uint64_t layer, std::uint64_t first, KvView const& view) {
    if (!corrupted_) {
        sequence_->write(component, layer, first, view);
        return;
    }
    auto const values = view.as<float>();
    std::vector<float> other(view.shape.values());
    KvView const corrupted{other.data(), ElementType::f32, view.shape, KvStrides::packed(view.shape)};
    auto const to = corrupted.as<float>();
    for (std::uint64_t l = 0; l < view.shape.layers; ++l)
        for (std::uint64_t h = 0; h < view.shape.heads; ++h)
            for (std::uint64_t t = 0; t < view.shape.tokens; ++t)
                for (std::uint64_t c = 0; c < view.shape.dim; ++c) to(l, h, t, c) = 1 - values(l, h, t, c);
    sequence_->write(component, layer, first, corrupted);
}

std::unique_ptr<CodecPath> plain_path(EngineSequence& sequence, bool steps) {
    return std::make_unique<PlainPath>(sequence, steps);
}

std::unique_ptr<CodecPath> codec_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings) {
    // The engine does not say which layers have a window, so that their reads cannot be counted.
    auto const& engine = sequence.engine();
    auto const window = engine.window_tokens();
    if (window != 0 && sequence.capacity() > window)
        throw NotApplicable(fmt::format("{}: layers of this model see the last {} tokens only, so that their reads "
                                        "through a codec cannot be counted for longer texts",
                                        engine.path(), window),
                            fmt::format("{} tokens", sequence.capacity()),
                            {fmt::format("up to {} tokens of context and continuation together", window)});
    if (settings.engine) {
        if (settings.protocol == Protocol::context)
            throw NotApplicable("the engine codes every token as it is written, those behind the context, too",
                                "protocol context", {"protocol inline", "protocol decode"});
        return engine_path(sequence, settings);
    }
    if (codec.selection()) return dropping_path(sequence, codec, settings);
    switch (settings.protocol) {
        case Protocol::context:
            return context_path(sequence, codec, settings);
        case Protocol::within:
            return inline_path(sequence, codec, settings);
        case Protocol::decode:
            break;
    }
    return decode_path(sequence, codec, settings);
}

}  // namespace kvstone
