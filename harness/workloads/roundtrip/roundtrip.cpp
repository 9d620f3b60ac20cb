#include "harness/workloads/roundtrip/roundtrip.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "backends/timer.hpp"
#include "codecs/container/tensor_codec.hpp"
#include "codecs/from_outside.hpp"
#include "harness/sources/tensor_source.hpp"
#include "harness/workloads/cell_tensors.hpp"
#include "harness/workloads/counted_work.hpp"
#include "harness/workloads/energy_meter.hpp"
#include "harness/workloads/figure_writer.hpp"
#include "harness/workloads/roundtrip/channel_rms.hpp"
#include "harness/workloads/roundtrip/roundtrip_figures.hpp"
#include "harness/workloads/stopping_rule.hpp"
#include "harness/workloads/verify.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// Times encoding and decoding, and then reads the energy of both, or has their instructions counted.
void measure_passes(TensorCodec& codec, Workbench const& bench, BackendKind kind, Measure const& measure,
                    std::optional<EnergyMeter> const& meter, RoundtripResult& result) {
    auto const encode = [&] { codec.encode(bench.original()); };
    auto const decode = [&] { codec.decode(bench.decoded(), DecodeFor::timing); };
    warm_up(measure, [&] {
        encode();
        decode();
    });
    if (measure.work) {
        count_pass("encode", result.component, result.shape.values(), encode);
        count_pass("decode", result.component, result.shape.values(), decode);
    }
    if (!measure.timing) return;
    MedianIntervalRule encode_rule(measure.repetitions, measure.min_time_s);
    MedianIntervalRule decode_rule(measure.repetitions, measure.min_time_s);
    auto const time_one = [&](MedianIntervalRule& rule, std::vector<double>& samples, auto const& pass) {
        if (rule.done()) return;  // the slower direction must not wait for the noisier one
        samples.push_back(static_cast<double>(fenced_ns(kind, pass)));
        rule.add(samples.back());
    };
    while (!encode_rule.done() || !decode_rule.done()) {
        time_one(encode_rule, result.encode_ns, encode);
        time_one(decode_rule, result.decode_ns, decode);
    }
    if (!meter) return;
    auto const energy_of = [&](auto const& pass) {
        return meter->of_passes(
            [&] {
                pass();
                fence(kind);
            },
            result.energy_problem);
    };
    result.encode_energy = energy_of(encode);
    result.decode_energy = energy_of(decode);
}

RoundtripResult roundtrip(Component component, HostTensor tensor, Rope const* rope, BackendKind kind,
                          AttemptRequest const& request, Codec const& text, std::optional<EnergyMeter> const& meter,
                          Measurement& measurement) {
    RoundtripResult result;
    result.component = name_of(component);
    result.shape = tensor.shape;
    result.original_bytes = tensor.span().size();
    bool const judged = request.measure.quality;
    if (judged) result.channel_rms_max_over_median = channel_rms_max_over_median(tensor);
    Workbench const bench(std::move(tensor), kind);
    auto const make = [&] { return TensorCodec(text, component, result.shape, bench.tensor().type, kind, rope); };

    std::vector<std::byte> container;
    std::uint64_t decoded_in_place = 0;
    {
        auto const before = memory_in_use(kind);
        auto codec = make();
        measure_passes(codec, bench, kind, request.measure, meter, result);
        result.allocated_bytes = memory_in_use(kind) - before;
        result.ledger = codec.ledger();
        result.nominal_bits_per_value = codec.nominal_bits_per_value();
        result.encode_traffic_bytes = codec.encode_traffic_bytes();
        result.decode_traffic_bytes = codec.decode_traffic_bytes();
        if (!judged) return result;
        decoded_in_place = bench.decoded_hash();
        container = codec.seal();
    }
    if (container.size() != result.ledger.stored_bytes())
        refuse(measurement, Status::verify_failed, result.component,
               fmt::format("the ledger bills {} bytes, the container has {}", result.ledger.stored_bytes(),
                           container.size()));

    auto fresh = make();
    fresh.load(container);
    fresh.decode(bench.decoded());
    if (bench.decoded_hash() != decoded_in_place)
        refuse(measurement, Status::verify_failed, result.component,
               "the container decodes to another tensor than the planes it was sealed from");
    result.distortion = bench.with_decoded([&](std::byte const* decoded) {
        return measure_distortion(result.shape, bench.tensor().type, bench.tensor().bytes.get(), decoded);
    });
    check_values(result.distortion->total, result.component, measurement);
    if (is_declared(request.cell.codec)) return result;
    switch (find_dependence(text, component, fresh, container, bench, kind, rope)) {
        case Dependence::shown:
            break;
        case Dependence::nothing_stored:
            warn(measurement, result.component + ": all values decode to the same, and nothing stored can change that");
            break;
        case Dependence::none:
            refuse(measurement, Status::verify_failed, result.component,
                   "decoding does not depend on the stored bytes");
    }
    auto const exceeding = values_beyond_bounds(text, component, bench, kind, rope);
    if (exceeding > 0)
        refuse(measurement, Status::verify_failed, result.component,
               fmt::format("{} values exceed the codec's declared error bound", exceeding));
    return result;
}

}  // namespace

void run_roundtrip(AttemptRequest const& request, Measurement& measurement) {
    auto const& cell = request.cell;
    auto const kind = backend_named(cell.backend);
    auto const codec = Codec::parse(cell.codec);
    auto tensors = load_cell_tensors(request, {}, measurement);
    auto const* const rope = tensors.rope ? &*tensors.rope : nullptr;
    auto const meter = energy_meter(request, kind == BackendKind::cuda, measurement);
    std::vector<RoundtripResult> results;
    take_k_and_v(tensors, [&](Component component, HostTensor tensor) {
        results.push_back(roundtrip(component, std::move(tensor), rope, kind, request, codec, meter, measurement));
    });
    add_roundtrip_figures(results, measurement);
    auto const lacking = std::ranges::find_if(results, [](auto const& one) { return !one.energy_problem.empty(); });
    if (lacking != results.end()) warn_of_no_energy(measurement, lacking->energy_problem);
    add_memory_peaks(measurement, kind);
}

}  // namespace kvstone
