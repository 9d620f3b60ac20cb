// Protocol context with a codec that drops tokens: the tokens that stay pass through the codec behind it and lie in the cache
// where they lay, and the engine removes the others.

#include <vector>

#include <fmt/format.h>

#include "codecs/container/tensor_codec.hpp"
#include "codecs/selection/selected_codec.hpp"
#include "harness/workloads/dropping.hpp"
#include "harness/workloads/model/paths.hpp"

namespace kvstone {
namespace {

/// K or V of the context, in host memory.
struct Values {
    void read(EngineSequence const& sequence, std::uint64_t tokens) {
        auto const shape = sequence.shape(component, tokens);
        values.resize(shape.values());
        view = {values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
        sequence.read(component, 0, 0, view);
    }
    Component component;
    std::vector<float> values = {};
    KvView view = {};
};

class DroppingPath : public CodecPath {
  public:
    DroppingPath(EngineSequence& sequence, Codec const& codec, PathSettings const& settings)
        : CodecPath(sequence),
          codec_(codec, settings.backend),
          behind_(codec.without_selection()),
          keep_(*codec.selection()),
          settings_(settings),
          pipelines_(pipelines_of(behind_)) {
        check_removable(keep_, std::string(name_of(settings.protocol)));
        if (needs_rope(keep_) && !settings.rope)
            throw NotApplicable("this policy undoes RoPE, and how this model rotates is not known",
                                keep_.options.at("policy"));
    }

    void feed(std::span<Token const> tokens, EngineSequence::LogitSink const& sink) override {
        sequence_->feed(tokens, 0, sink);
    }
    double read_fraction(std::uint64_t position) const override {
        return static_cast<double>(coded_vectors_) /
               static_cast<double>(2 * columns() * (position + 1 - dropped_tokens_));
    }
    CacheBytes bytes(Component component) override { return component == Component::k ? k_bytes_ : v_bytes_; }
    /// Queries are seen while a context is read.
    bool reads_by_itself() const override { return !needs_queries(keep_); }

  protected:
    void read_context(std::span<Token const> context) override {
        if (needs_queries(keep_)) sequence_->keep_queries(context.size());
        sequence_->feed(context, 0, {});
    }

    void code_context() override {
        for (auto* const values : {&k_, &v_}) values->read(*sequence_, context_tokens());
        auto selection = select();
        auto sealed = codec_.encode({k_.view, v_.view}, selection);
        bool const unlike = corrupted() && corrupt_selection(sealed.bytes);
        // The stored bytes say which tokens stay.
        auto const decode = [&] { selection = codec_.decode(sealed.bytes, {k_.view, v_.view}); };
        bool const lost = unlike && complains(decode);
        if (!unlike) decode();
        for (auto* const values : {&k_, &v_}) {
            if (lost)
                write(values->component, 0, 0, values->view);  // other values must do
            else
                sequence_->write(values->component, 0, 0, values->view);
        }
        auto const kept = selection.kept(0, 0);
        remove_all_but(kept);
        dropped_tokens_ = context_tokens() - kept.size();
        coded_vectors_ = 0;
        k_bytes_ = account(Component::k, sealed.k, kept.size());
        v_bytes_ = account(Component::v, sealed.v, kept.size());
    }

  private:
    Selection select() const {
        SelectionTensors tensors{.k = k_.view, .v = v_.view, .rope = settings_.rope ? &*settings_.rope : nullptr};
        if (needs_queries(keep_)) {
            auto const& queries = sequence_->queries();
            tensors.q = {const_cast<std::byte*>(queries.bytes.get()), queries.type, queries.shape,
                         KvStrides::packed(queries.shape)};
        }
        auto selection = select_tokens(keep_, tensors);
        check_last_token(keep_, selection.kept(0, 0).back() + 1 == context_tokens());
        return selection;
    }
    void remove_all_but(std::span<std::uint32_t const> kept) {
        std::uint64_t next = 0;
        for (auto const token : kept) {
            if (token > next) sequence_->remove(next, token);
            next = token + std::uint64_t{1};
        }
    }
    /// Counts what was coded, too.
    CacheBytes account(Component component, ByteLedger const& ledger, std::uint64_t kept_tokens) {
        auto shape = sequence_->shape(component, kept_tokens);
        coded_vectors_ +=
            coded_vectors(cut_sections(behind_, pipelines_, component, shape, ElementType::f32), kept_tokens);
        TensorCodec const coded(behind_, component, shape, ElementType::f32, settings_.backend);
        auto const share = static_cast<double>(kept_tokens) / static_cast<double>(context_tokens());
        return {.shape = sequence_->shape(component, context_tokens()),
                .ledger = ledger,
                .nominal_bits_per_value = share * coded.nominal_bits_per_value(),
                .held_bytes = {},
                .kept_share = share};
    }

    SelectedCodec codec_;
    Codec behind_;
    StageText keep_;
    PathSettings settings_;
    std::vector<Pipeline> pipelines_;
    Values k_{Component::k}, v_{Component::v};
    std::uint64_t dropped_tokens_ = 0;
    std::uint64_t coded_vectors_ = 0;
    CacheBytes k_bytes_, v_bytes_;
};

}  // namespace

std::unique_ptr<CodecPath> dropping_path(EngineSequence& sequence, Codec const& codec, PathSettings const& settings) {
    return std::make_unique<DroppingPath>(sequence, codec, settings);
}

}  // namespace kvstone
