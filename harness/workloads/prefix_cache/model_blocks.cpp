#include <algorithm>
#include <chrono>

#include "harness/engine/sequence.hpp"
#include "harness/sources/sources.hpp"
#include "harness/workloads/prefix_cache/block_source.hpp"

namespace kvstone {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// One engine, and for each client a sequence that holds the request it is at.
class ModelBlocks final : public BlockSource {
  public:
    ModelBlocks(Cell const& cell, RequestTrace const& trace)
        : trace_(&trace),
          engine_(cell.locator.at("path").get<std::string>(), cell.source.value("gpu_layers", 0)),
          tokens_(trace.block_tokens, engine_.vocabulary()) {
        for (auto const& request : trace.requests) longest_ = std::max(longest_, whole_tokens(trace, request));
        EngineSequence const trial(engine_, 1);  // where K and V lie
        for (auto const component : {Component::k, Component::v})
            shapes_[static_cast<std::size_t>(component)] = trial.shape(component, trace.block_tokens);
    }

    KvShape shape(Component component) const override { return shapes_[static_cast<std::size_t>(component)]; }
    ElementType type() const override { return ElementType::f32; }
    std::uint64_t vocabulary() const override { return engine_.vocabulary(); }
    bool computes() const override { return true; }
    std::uint64_t longest_tokens() const override { return longest_; }
    /// A sequence's cells, and their copy at the beginning of sequences.
    std::uint64_t memory_bytes(std::uint64_t clients) const override {
        auto const values = (shapes_[0].values() + shapes_[1].values()) / trace_->block_tokens * longest_;
        return (clients + 2) * values * sizeof(float);
    }
    double compute_s(std::uint64_t tokens) override {
        if (!clock_) clock_ = std::make_unique<Client>(*this);
        return clock_->compute_s(std::vector<Token>(tokens, 1 % static_cast<Token>(engine_.vocabulary())));
    }
    std::unique_ptr<RequestSource> client() override {
        if (blank_.empty()) {
            // A sequence of the longest length, whose values do not matter: its beginnings take the found K and V.
            EngineSequence sequence(engine_, longest_);
            sequence.feed(std::vector<Token>(longest_, 0), longest_, {});
            blank_ = sequence.state();
        }
        return std::make_unique<Client>(*this);
    }

  private:
    class Client final : public RequestSource {
      public:
        explicit Client(ModelBlocks& all) : all_(&all), sequence_(all.engine_, all.longest_) {}

        void begin(TraceRequest const& request, std::uint64_t found) override {
            prompt_ = tokens_of(request);
            found_ = std::min<std::uint64_t>(found * all_->trace_->block_tokens, prompt_.size() - 1);
            if (found_ == 0) return sequence_.clear();
            sequence_.restore(all_->blank_, all_->longest_);
            sequence_.cut(found_);
        }
        void put(std::uint64_t block, Component component, KvView const& decoded) override {
            auto const first = block * all_->trace_->block_tokens;
            auto shape = decoded.shape;
            shape.tokens = std::min(shape.tokens, found_ - first);
            if (shape.tokens > 0) sequence_.write(component, 0, first, decoded.box(0, 0, 0, shape));
        }
        void compute() override { sequence_.feed(std::span(prompt_).subspan(found_), prompt_.size(), {}); }
        KvBlock take(std::uint64_t block) override { return {read(Component::k, block), read(Component::v, block)}; }
        double compute_all_s(TraceRequest const& request) override { return compute_s(tokens_of(request)); }
        double compute_s(std::span<Token const> tokens) {
            sequence_.clear();
            auto const start = std::chrono::steady_clock::now();
            sequence_.feed(tokens, tokens.size(), {});
            return seconds_since(start);
        }

      private:
        std::vector<Token> tokens_of(TraceRequest const& request) const {
            auto const tokens = all_->tokens_.of(*all_->trace_, request);
            return {tokens.begin(), tokens.end()};
        }
        HostTensor read(Component component, std::uint64_t block) const {
            auto const shape = all_->shape(component);
            auto const bytes = allocate_bytes(shape.values() * sizeof(float));
            sequence_.read(component, 0, block * shape.tokens,
                           {bytes.get(), ElementType::f32, shape, KvStrides::packed(shape)});
            return {ElementType::f32, shape, bytes};
        }

        ModelBlocks* all_;
        EngineSequence sequence_;
        std::vector<Token> prompt_;
        std::uint64_t found_ = 0;  ///< tokens
    };

    RequestTrace const* trace_;
    Engine engine_;
    BlockTokens tokens_;
    std::uint64_t longest_ = 0;
    KvShape shapes_[2];
    std::vector<std::byte> blank_;
    std::unique_ptr<Client> clock_;
};

}  // namespace

std::unique_ptr<BlockSource> model_blocks(AttemptRequest const& request, RequestTrace const& trace) {
    return std::make_unique<ModelBlocks>(request.cell, trace);
}

}  // namespace kvstone
