#include "harness/workloads/prefix_cache/entry_cost.hpp"

#include "backends/timer.hpp"
#include "codecs/container/container.hpp"
#include "harness/captures/capture_cache.hpp"
#include "harness/workloads/cell_tensors.hpp"
#include "harness/workloads/prefix_cache/coded_parts.hpp"
#include "harness/workloads/stopping_rule.hpp"
#include "harness/workloads/verify.hpp"
#include "harness/workloads/workbench.hpp"
#include "results/record/build.hpp"
#include "results/statistics/median.hpp"

namespace kvstone {
namespace {

/// K or V of a block, and the stored bytes of its parts.
class CodedBlock {
  public:
    CodedBlock(AttemptRequest const& request, Component component, HostTensor tensor, Rope const* rope, bool by_layer)
        : kind_(backend_named(request.cell.backend)),
          parts_(Codec::parse(request.cell.codec), component, tensor.shape, tensor.type, kind_, rope, by_layer),
          bench_(std::move(tensor), kind_) {}

    void encode() { parts_.encode(bench_.original()); }
    void decode() const { parts_.decode(bench_.decoded(), DecodeFor::timing); }
    /// Adds its bytes; false where a ledger is wrong.
    bool bill(EntryCost& cost) const {
        cost.block_tokens = parts_.shape().tokens;
        cost.type = bench_.tensor().type;
        cost.values += parts_.shape().values();
        cost.entries = parts_.count();
        bool right = true;
        for (std::size_t i = 0; i < parts_.count(); ++i) {
            auto const billed = parts_.stored_bytes(i);
            right = right && parts_.seal(i).size() == billed;
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
    CodedParts parts_;
    Workbench bench_;
};

/// The results, and remarks on them.
struct Encoded {
    EntryCost cost;
    bool right = true;
    std::string remarks = {};
};

Encoded encode_block(AttemptRequest const& request, bool by_layer, bool timed) {
    Encoded encoded;
    Measurement remarks;
    remarks.status = Status::ok;
    auto tensors = load_cell_tensors(request, {}, remarks);
    encoded.remarks = remarks.reason;
    auto const* const rope = tensors.rope ? &*tensors.rope : nullptr;
    take_k_and_v(tensors, [&](Component component, HostTensor tensor) {
        CodedBlock block(request, component, std::move(tensor), rope, by_layer);
        block.encode();
        encoded.right = block.bill(encoded.cost) && encoded.right;
        if (timed) block.time(request.measure, encoded.cost);
    });
    return encoded;
}

std::vector<std::byte> bytes_of(Encoded const& encoded) {
    auto const& cost = encoded.cost;
    auto const text = Json{{"tokens", cost.block_tokens}, {"type", static_cast<int>(cost.type)},
                           {"values", cost.values},       {"stored_bytes", cost.stored_bytes},
                           {"entries", cost.entries},     {"right", encoded.right},
                           {"remarks", encoded.remarks}}
                          .dump();
    auto const bytes = std::as_bytes(std::span(text));
    return {bytes.begin(), bytes.end()};
}

Encoded encoded_from(std::span<std::byte const> bytes) {
    auto const json = parse_json({reinterpret_cast<char const*>(bytes.data()), bytes.size()});
    return {{.block_tokens = json.at("tokens"),
             .type = static_cast<ElementType>(json.at("type").get<int>()),
             .values = json.at("values"),
             .stored_bytes = json.at("stored_bytes"),
             .entries = json.at("entries"),
             .encode_s = {},
             .decode_s = {}},
            json.at("right"),
            json.at("remarks")};
}

/// Everything on which the bytes depend: another build encodes anew.
Json key_of(Cell const& cell, bool judged, bool by_layer) {
    return {{"entry_cost", 1},
            {"build", this_build().source_hash},
            {"toolchain", this_build().toolchain},
            {"source", cell.source},
            {"context", cell.context},
            {"codec", cell.codec},
            {"formats", stage_formats(Codec::parse(cell.codec))},
            {"backend", cell.backend},
            {"judged", judged},
            {"by_layer", by_layer}};
}

}  // namespace

EntryCost measure_entry(AttemptRequest const& request, bool by_layer, bool timed, Measurement& measurement) {
    timed = timed && request.measure.timing;
    auto const encode = [&] { return encode_block(request, by_layer, timed); };
    // What a codec from outside says is checked in the attempt that it says it in: nothing of it is taken on trust later.
    bool const anew = timed || request.cell.locator.contains("codecs");
    auto const encoded =
        anew ? encode()
             : encoded_from(
                   cached_bytes(capture_folder(), key_of(request.cell, request.measure.quality, by_layer), false, [&] {
                       return bytes_of(encode());
                   }).bytes);
    if (!encoded.remarks.empty()) warn(measurement, encoded.remarks);
    if (!encoded.right)
        refuse(measurement, Status::verify_failed, "kv", "the ledger differs from the container's bytes");
    return encoded.cost;
}

}  // namespace kvstone
