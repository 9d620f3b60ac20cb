#include "harness/workloads/prefix_cache/entry_cost.hpp"

#include <fmt/format.h>

#include "backends/timer.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "harness/workloads/cell_tensors.hpp"
#include "harness/workloads/stopping_rule.hpp"
#include "harness/workloads/verify.hpp"
#include "harness/workloads/workbench.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

/// K or V of a block, as one part or a part a layer.
class CodedBlock {
  public:
    CodedBlock(AttemptRequest const& request, Component component, HostTensor tensor, Rope const* rope, bool by_layer)
        : kind_(backend_named(request.cell.backend)), shape_(tensor.shape), bench_(std::move(tensor), kind_) {
        auto const codec = Codec::parse(request.cell.codec);
        part_shape_ = shape_;
        if (by_layer) part_shape_.layers = 1;
        for (std::uint64_t layer = 0; layer < shape_.layers; layer += part_shape_.layers)
            parts_.emplace_back(by_layer ? codec.of_layer(layer, shape_.layers) : codec, component, part_shape_,
                                bench_.tensor().type, kind_, rope);
    }

    void encode() {
        for (std::uint64_t i = 0; i < parts_.size(); ++i) parts_[i].encode(part_of(bench_.original(), i));
    }
    void decode() const {
        for (std::uint64_t i = 0; i < parts_.size(); ++i)
            parts_[i].decode(part_of(bench_.decoded(), i), DecodeFor::timing);
    }
    /// Adds its bytes; false where a ledger is wrong.
    bool bill(EntryCost& cost) const {
        cost.block_tokens = shape_.tokens;
        cost.type = bench_.tensor().type;
        cost.values += shape_.values();
        cost.entries = parts_.size();
        bool right = true;
        for (auto const& part : parts_) {
            auto const billed = part.ledger().stored_bytes();
            right = right && part.seal().size() == billed;
            cost.stored_bytes += billed;
        }
        return right;
    }
    void time(Measure const& measure, EntryCost& cost) {
        warm_up(measure, [&] {
            encode();
            decode();
        });
        cost.encode_s = cost.encode_s.value_or(0) + median_s(measure, [&] { encode(); });
        cost.decode_s = cost.decode_s.value_or(0) + median_s(measure, [&] { decode(); });
    }

  private:
    KvView part_of(KvView const& whole, std::uint64_t part) const {
        return whole.box(part * part_shape_.layers, 0, 0, part_shape_);
    }
    template <class Pass>
    double median_s(Measure const& measure, Pass const& pass) const {
        MedianIntervalRule rule(measure.repetitions, measure.min_time_s);
        std::vector<double> samples;
        while (!rule.done()) {
            samples.push_back(static_cast<double>(fenced_ns(kind_, pass)));
            rule.add(samples.back());
        }
        return median(std::move(samples)) * 1e-9;
    }

    BackendKind kind_;
    KvShape shape_;
    KvShape part_shape_;
    Workbench bench_;
    std::vector<TensorCodec> parts_;
};

}  // namespace

EntryCost measure_entry(AttemptRequest const& request, bool by_layer, bool timed, Measurement& measurement) {
    auto tensors = load_cell_tensors(request, {}, measurement);
    auto const* const rope = tensors.rope ? &*tensors.rope : nullptr;
    EntryCost cost;
    take_k_and_v(tensors, [&](Component component, HostTensor tensor) {
        CodedBlock block(request, component, std::move(tensor), rope, by_layer);
        block.encode();
        if (!block.bill(cost))
            refuse(measurement, Status::verify_failed, std::string(name_of(component)),
                   "the ledger does not bill what the container has");
        if (timed && request.measure.timing) block.time(request.measure, cost);
    });
    return cost;
}

}  // namespace kvstone
