#include "harness/workloads/roundtrip/cycles.hpp"

#include <algorithm>

#include "codecs/container/tensor_codec.hpp"
#include "harness/quality/distortion.hpp"
#include "harness/sources/tensor_source.hpp"
#include "harness/workloads/cell_tensors.hpp"
#include "harness/workloads/verify.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

struct CyclesResult {
    std::string component;
    std::vector<ErrorSums> cycles;  ///< against the original
    double drift = 0;
};

CyclesResult repeat(Component component, HostTensor tensor, Rope const* rope, BackendKind kind, Codec const& text,
                    Measurement& measurement) {
    CyclesResult result{std::string(name_of(component)), {}, 0};
    auto const shape = tensor.shape;
    auto const type = tensor.type;
    Workbench const bench(std::move(tensor), kind);
    TensorCodec encoder(text, component, shape, type, kind, rope);
    std::vector<std::byte> first;
    for (int cycle = 0; cycle < kCycles; ++cycle) {
        encoder.encode(cycle == 0 ? bench.original() : bench.decoded());
        TensorCodec decoder(text, component, shape, type, kind);
        decoder.load(encoder.seal());
        decoder.decode(bench.decoded());
        bench.with_decoded([&](std::byte const* decoded) {
            result.cycles.push_back(measure_distortion(shape, type, bench.tensor().bytes.get(), decoded).total);
            if (cycle == 0) first.assign(decoded, decoded + bench.bytes());
            if (cycle == kCycles - 1)
                result.drift = measure_distortion(shape, type, first.data(), decoded).total.max_abs_error;
        });
        check_values(result.cycles.back(), result.component, measurement);
    }
    return result;
}

void add_figures(CyclesResult const& result, Measurement& measurement) {
    auto const add = [&](char const* metric, std::optional<double> value) {
        measurement.figures.push_back({result.component, metric, value, kCycles, {}, {}});
    };
    add("first_cycle_nmse", result.cycles.front().nmse());
    add("last_cycle_nmse", result.cycles.back().nmse());
    add("cycle_drift", result.drift);
    for (std::size_t cycle = 0; cycle < result.cycles.size(); ++cycle)
        if (auto const nmse = result.cycles[cycle].nmse())
            measurement.profiles.push_back(
                {result.component, "nmse", -1, -1, static_cast<std::int64_t>(cycle) + 1, *nmse});
}

/// K and V as one component.
CyclesResult both(CyclesResult const& k, CyclesResult const& v) {
    CyclesResult sum{"kv", k.cycles, std::max(k.drift, v.drift)};
    for (std::size_t cycle = 0; cycle < sum.cycles.size(); ++cycle) sum.cycles[cycle] += v.cycles[cycle];
    return sum;
}

}  // namespace

void run_cycles(AttemptRequest const& request, Measurement& measurement) {
    auto const& cell = request.cell;
    auto const kind = backend_named(cell.backend);
    auto const codec = Codec::parse(cell.codec);
    auto tensors = load_cell_tensors(request, {}, measurement);
    auto const* const rope = tensors.rope ? &*tensors.rope : nullptr;
    std::vector<CyclesResult> results;
    take_k_and_v(tensors, [&](Component component, HostTensor tensor) {
        results.push_back(repeat(component, std::move(tensor), rope, kind, codec, measurement));
        add_figures(results.back(), measurement);
    });
    if (results.size() == 2) add_figures(both(results[0], results[1]), measurement);
}

}  // namespace kvstone
