// Protocol inline: every K and V passes through the codec as the engine writes it, layer by layer.

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "codecs/stream/token_stream.hpp"
#include "harness/workloads/model/paths.hpp"
#include "harness/workloads/model/piece_coder.hpp"
#include "harness/workloads/model/staged_tensor.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {
namespace {

class InlinePath : public CodecPath {
  public:
    InlinePath(EngineSequence& sequence, Codec const& codec, PathSettings const& settings)
        : CodecPath(sequence),
          codec_(codec),
          settings_(settings),
          pipelines_(pipelines_of(codec)),
          values_(settings.backend) {
        if (has_stage_from_outside(codec)) pieces_.emplace(codec_, sequence, settings);
        for (auto const component : {Component::k, Component::v}) {
            auto const shape = sequence.shape(component, sequence.capacity());
            sections_[index(component)] = cut_sections(codec_, pipelines_, component, shape, ElementType::f32);
            for (auto const& cut : sections_[index(component)]) require_causal(component, cut);
        }
        sequence_->on_written([this](Component component, std::uint64_t layer, std::uint64_t first,
                                     std::uint64_t count) { pass(component, layer, first, count); });
    }
    ~InlinePath() override { sequence_->on_written({}); }

    void feed(std::span<Token const> tokens, EngineSequence::LogitSink const& sink) override {
        sequence_->feed(tokens, 0, sink);
    }
    double read_fraction(std::uint64_t position) const override {
        return static_cast<double>(coded_vectors(sections_[0], position + 1) +
                                   coded_vectors(sections_[1], position + 1)) /
               static_cast<double>(2 * columns() * (position + 1));
    }
    bool reads_by_itself() const override { return false; }
    CacheBytes bytes(Component component) override { return bytes_of_whole(*sequence_, codec_, component, settings_); }

  protected:
    void start() override {
        for (auto const component : {Component::k, Component::v}) start(component);
    }
    void code_again() override {
        if (pieces_) return;  // nothing is kept of them, and the cache has what was decoded
        // Streams do not shrink: new ones get the cache's content. Coding by single tokens, they code later tokens
        // as the old ones would.
        start();
        for (auto const component : {Component::k, Component::v}) {
            for (std::uint64_t layer = 0; layer < streams_[index(component)].size(); ++layer)
                append(component, layer, 0, context_tokens());
        }
    }

  private:
    static std::size_t index(Component component) { return static_cast<std::size_t>(component); }
    Rope const* rope() const { return settings_.rope ? &*settings_.rope : nullptr; }

    void require_causal(Component component, RuledSection const& cut) const {
        auto const refuse = [&](std::string const& why) {
            throw NotApplicable(
                fmt::format("{} of this codec {}, and protocol inline codes each token as it is written",
                            name_of(component), why),
                codec_.text(), {"protocol context", "protocol decode", "codecs of single tokens"});
        };
        if (codec_.rules()[cut.rule].selector.window_tokens) refuse("has a window, which every reader sees elsewhere");
        if (pieces_) return;
        auto const page = pipelines_[cut.rule].page_tokens(cut.section);
        if (page == 0) refuse("looks ahead: it is coded as a whole");
        if (page > 1) refuse(fmt::format("looks ahead: {} tokens are coded together", page));
    }

    void start(Component component) {
        if (pieces_) return;
        auto& streams = streams_[index(component)];
        streams.clear();
        auto shape = sequence_->shape(component, 0);
        auto const layers = std::exchange(shape.layers, 1);
        for (std::uint64_t layer = 0; layer < layers; ++layer)
            streams.push_back(std::make_unique<TokenStream>(codec_.of_layer(layer, layers), component, shape,
                                                            ElementType::f32, settings_.backend, default_page_tokens,
                                                            rope()));
    }
    void read(Component component, std::uint64_t layer, std::uint64_t first, std::uint64_t count) {
        auto shape = sequence_->shape(component, count);
        shape.layers = 1;
        values_.resize(shape);
        sequence_->read(component, layer, first, values_.host());
        values_.to_backend();
    }
    TokenStream& append(Component component, std::uint64_t layer, std::uint64_t first, std::uint64_t count) {
        read(component, layer, first, count);
        auto& stream = *streams_[index(component)].at(layer);
        stream.append(values_.backend());
        fence(settings_.backend);
        return stream;
    }
    void pass(Component component, std::uint64_t layer, std::uint64_t first, std::uint64_t count) {
        auto shape = sequence_->shape(component, count);
        shape.layers = 1;
        OneThread::Scope const scope(few(shape));
        if (pieces_) {
            read(component, layer, first, count);
            pieces_->pass(component, layer, first, values_.backend());
        } else {
            append(component, layer, first, count).decode_pages(first, values_.backend());
        }
        values_.to_host();
        write(component, layer, first, values_.host());
    }

    Codec codec_;
    PathSettings settings_;
    std::vector<Pipeline> pipelines_;
    StagedTensor values_;
    std::optional<PieceCoder> pieces_;  ///< of codecs from outside, in place of streams
    std::vector<RuledSection> sections_[2];
    std::vector<std::unique_ptr<TokenStream>> streams_[2];  ///< of each layer
};

}  // namespace

std::unique_ptr<CodecPath> inline_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings) {
    return std::make_unique<InlinePath>(sequence, codec, settings);
}

}  // namespace kvstone
