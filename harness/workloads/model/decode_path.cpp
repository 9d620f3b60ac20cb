// Protocol decode: a cache that grows token by token, whose cells are rewritten as the codec lets go of them.

#include <algorithm>
#include <optional>

#include "codecs/stream/token_stream.hpp"
#include "harness/workloads/model/paths.hpp"
#include "harness/workloads/model/piece_coder.hpp"
#include "harness/workloads/model/staged_tensor.hpp"
#include "scenarios/cell.hpp"

namespace kvstone {
namespace {

class DecodePath : public CodecPath {
  public:
    DecodePath(EngineSequence& sequence, Codec const& codec, PathSettings const& settings)
        : CodecPath(sequence),
          codec_(codec),
          settings_(settings),
          values_(settings.backend),
          clean_{StagedTensor(settings.backend), StagedTensor(settings.backend)} {
        if (has_stage_from_outside(codec)) pieces_.emplace(codec_, sequence, settings);
        for (auto const component : {Component::k, Component::v}) start(component);
    }

    void feed(std::span<Token const> tokens, EngineSequence::LogitSink const& sink) override {
        for (; !tokens.empty(); tokens = tokens.subspan(1)) {
            auto const position = sequence_->tokens();
            sequence_->feed(tokens.first(1), 0, sink);
            for (auto const component : {Component::k, Component::v}) grow(component, position, 1);
        }
    }
    double read_fraction(std::uint64_t position) const override {
        auto const coded = [this](Component component) {
            return pieces_ ? coded_vectors(pieces_->sections(component), passed_[index(component)])
                           : streams_[index(component)]->coded_vectors();
        };
        return static_cast<double>(coded(Component::k) + coded(Component::v)) /
               static_cast<double>(2 * columns() * (position + 1));
    }
    bool reads_by_itself() const override { return settings_.prefill == Prefill::clean; }
    CacheBytes bytes(Component component) override {
        if (pieces_) return bytes_of_whole(*sequence_, codec_, component, settings_);
        auto const shape = sequence_->shape(component, sequence_->tokens());
        auto const& stream = *streams_[index(component)];
        TensorCodec const bulk(codec_, component, shape, ElementType::f32, settings_.backend, rope());
        return {shape, stream.ledger(), bulk.nominal_bits_per_value(), stream.held_bytes()};
    }

  protected:
    void start() override {
        for (auto const component : {Component::k, Component::v}) start(component);
    }
    void read_context(std::span<Token const> context) override {
        if (reads_by_itself()) {
            sequence_->feed(context, 0, {});
            return;
        }
        make_room(context.size());
        while (!context.empty()) {
            auto const count = std::min<std::uint64_t>(prefill_piece_tokens, context.size());
            auto const first = sequence_->tokens();
            sequence_->feed(context.first(count), 0, {});
            take(first, count);
            context = context.subspan(count);
        }
    }
    void code_context() override {
        if (!reads_by_itself()) return;
        make_room(context_tokens());
        take(0, context_tokens());
    }
    void code_again() override {
        start();
        for (auto const component : {Component::k, Component::v}) {
            sequence_->write(component, 0, 0, clean_[index(component)].host());
            grow(component, 0, context_tokens());
        }
    }

  private:
    static std::size_t index(Component component) { return static_cast<std::size_t>(component); }
    Rope const* rope() const { return settings_.rope ? &*settings_.rope : nullptr; }

    void start(Component component) {
        passed_[index(component)] = 0;
        if (pieces_) return;
        streams_[index(component)].emplace(codec_, component, sequence_->shape(component, 0), ElementType::f32,
                                           settings_.backend, default_page_tokens, rope());
    }

    void make_room(std::uint64_t tokens) {
        for (auto const component : {Component::k, Component::v})
            clean_[index(component)].resize(sequence_->shape(component, tokens));
    }
    /// Keeps cells of the context as the engine wrote them, and has them coded.
    void take(std::uint64_t first, std::uint64_t count) {
        for (auto const component : {Component::k, Component::v}) {
            auto const part = sequence_->shape(component, count);
            sequence_->read(component, 0, first, clean_[index(component)].host().box(0, 0, first, part));
            grow(component, first, count);
        }
    }

    /// Hands cells to the stream and rewrites those that it has coded since.
    void grow(Component component, std::uint64_t first, std::uint64_t count) {
        if (pieces_) return pass(component, first + count);
        auto& stream = *streams_[index(component)];
        OneThread::Scope const scope(few(sequence_->shape(component, count)));
        values_.resize(sequence_->shape(component, count));
        sequence_->read(component, 0, first, values_.host());
        values_.to_backend();
        auto const settled = stream.settled_tokens();
        auto const coded = stream.coded_vectors();
        stream.append(values_.backend());
        fence(settings_.backend);
        if (stream.settled_tokens() == settled && stream.coded_vectors() == coded) return;
        // Tokens that are held lie in the cache as they came.
        if (stream.held_from() <= settled) return;
        values_.resize(sequence_->shape(component, stream.held_from() - settled));
        stream.decode_pages(settled, values_.backend());
        values_.to_host();
        write(component, 0, settled, values_.host());
    }

    /// The same without a stream: of `tokens` tokens, those that no window has any more are coded where they lie.
    void pass(Component component, std::uint64_t tokens) {
        auto& passed = passed_[index(component)];
        auto const last = tokens - std::min(pieces_->window_tokens(component), tokens);
        if (last <= passed) return;
        auto const shape = sequence_->shape(component, last - passed);
        OneThread::Scope const scope(few(shape));
        values_.resize(shape);
        sequence_->read(component, 0, passed, values_.host());
        values_.to_backend();
        pieces_->pass(component, 0, passed, values_.backend());
        values_.to_host();
        write(component, 0, passed, values_.host());
        passed = last;
    }

    Codec codec_;
    PathSettings settings_;
    std::optional<PieceCoder> pieces_;  ///< of codecs from outside, in place of streams
    std::uint64_t passed_[2] = {0, 0};  ///< tokens that these have coded
    StagedTensor values_;
    StagedTensor clean_[2];  ///< the context's K and V as the engine wrote them
    std::optional<TokenStream> streams_[2];
};

}  // namespace

std::unique_ptr<CodecPath> decode_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings) {
    return std::make_unique<DecodePath>(sequence, codec, settings);
}

}  // namespace kvstone
