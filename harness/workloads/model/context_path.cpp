// Protocol context: clean K and V of the context, through the sealed container, back into the cache.

#include <algorithm>

#include "codecs/container/container.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "harness/workloads/model/paths.hpp"
#include "harness/workloads/model/staged_tensor.hpp"

namespace kvstone {
namespace {

class ContextPath : public CodecPath {
  public:
    ContextPath(EngineSequence& sequence, Codec const& codec, PathSettings const& settings)
        : CodecPath(sequence),
          codec_(codec),
          settings_(settings),
          pipelines_(pipelines_of(codec)),
          values_(settings.backend) {
        for (auto const component : {Component::k, Component::v}) bind(component, sequence.shape(component, 1));
    }

    void feed(std::span<Token const> tokens, EngineSequence::LogitSink const& sink) override {
        sequence_->feed(tokens, 0, sink);
    }
    double read_fraction(std::uint64_t position) const override {
        return static_cast<double>(coded_vectors_) / static_cast<double>(2 * columns() * (position + 1));
    }
    CacheBytes bytes(Component component) override { return bytes_[static_cast<std::size_t>(component)]; }

  protected:
    void code_context() override {
        coded_vectors_ = 0;
        for (auto const component : {Component::k, Component::v}) pass(component);
    }

  private:
    TensorCodec bind(Component component, KvShape const& shape) const {
        return {codec_,           component,         shape,
                ElementType::f32, settings_.backend, settings_.rope ? &*settings_.rope : nullptr};
    }
    void pass(Component component) {
        auto const shape = sequence_->shape(component, context_tokens());
        values_.resize(shape);
        sequence_->read(component, 0, 0, values_.host());
        values_.to_backend();
        auto encoder = bind(component, shape);
        encoder.encode(values_.backend());
        auto container = encoder.seal();
        bool const unlike = corrupted() && corrupt_container(container);
        auto decoder = bind(component, shape);
        auto const decode = [&] {
            decoder.load(container);
            decoder.decode(values_.backend());
            values_.to_host();
            sequence_->write(component, 0, 0, values_.host());
        };
        if (!unlike) {
            decode();
        } else if (complains(decode)) {
            sequence_->read(component, 0, 0, values_.host());  // the values before
            write(component, 0, 0, values_.host());            // other values must do
        }
        coded_vectors_ +=
            coded_vectors(cut_sections(codec_, pipelines_, component, shape, ElementType::f32), shape.tokens);
        bytes_[static_cast<std::size_t>(component)] = {shape, encoder.ledger(), encoder.nominal_bits_per_value(), {}};
    }

    Codec codec_;
    PathSettings settings_;
    std::vector<Pipeline> pipelines_;
    StagedTensor values_;
    std::uint64_t coded_vectors_ = 0;
    CacheBytes bytes_[2];
};

}  // namespace

std::uint64_t coded_vectors(std::vector<RuledSection> const& sections, std::uint64_t tokens) {
    std::uint64_t vectors = 0;
    for (auto const& [section, rule, kept_plain] : sections) {
        if (kept_plain || section.token >= tokens) continue;
        vectors += section.shape.layers * section.shape.heads * std::min(section.shape.tokens, tokens - section.token);
    }
    return vectors;
}

std::unique_ptr<CodecPath> context_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings) {
    return std::make_unique<ContextPath>(sequence, codec, settings);
}

}  // namespace kvstone
