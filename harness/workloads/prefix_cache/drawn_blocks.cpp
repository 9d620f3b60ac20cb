#include <algorithm>
#include <unordered_map>

#include "harness/sources/sources.hpp"
#include "harness/workloads/prefix_cache/block_source.hpp"

namespace kvstone {
namespace {

class DrawnBlocks final : public BlockSource {
  public:
    DrawnBlocks(Json source, RequestTrace const& trace)
        : source_(std::move(source)), trace_(&trace), first_(make_synthetic(source_, trace.block_tokens, {})) {}

    KvShape shape(Component component) const override {
        auto const& tensor = component == Component::k ? first_.k : first_.v;
        return tensor ? tensor->shape : KvShape{};
    }
    ElementType type() const override { return first_.k->type; }
    Rope const* rope() const override { return first_.rope ? &*first_.rope : nullptr; }
    bool computes() const override { return false; }
    void prepare(std::span<TraceRequest const> requests) override {
        made_.clear();
        for (auto const& request : requests)
            for (auto const block : trace_->blocks_of(request)) {
                auto& made = made_[block];
                if (made.k) continue;
                auto source = source_;
                source["seed"] = hash_of(block ^ hash_of(source_.value("seed", std::uint64_t{0})));
                auto tensors = make_synthetic(source, trace_->block_tokens, {});
                made = {std::move(tensors.k), std::move(tensors.v)};
            }
    }
    std::unique_ptr<RequestSource> client() override { return std::make_unique<Client>(*this); }

  private:
    class Client final : public RequestSource {
      public:
        explicit Client(DrawnBlocks const& all) : all_(&all) {}
        void begin(TraceRequest const& request, std::uint64_t /*found*/) override { request_ = request; }
        void put(std::uint64_t /*block*/, Component /*component*/, KvView const& /*decoded*/) override {}
        void compute() override {}
        KvBlock take(std::uint64_t block) override { return all_->made_.at(all_->trace_->blocks_of(request_)[block]); }
        double compute_all_s(TraceRequest const& /*request*/) override { return 0; }

      private:
        DrawnBlocks const* all_;
        TraceRequest request_;
    };

    Json source_;
    RequestTrace const* trace_;
    KvTensors first_;
    std::unordered_map<std::uint64_t, KvBlock> made_;  ///< not written to while clients are under way
};

}  // namespace

std::unique_ptr<BlockSource> drawn_blocks(AttemptRequest const& request, RequestTrace const& trace) {
    return std::make_unique<DrawnBlocks>(request.cell.source, trace);
}

}  // namespace kvstone
