// Every example of the registry, encoded and decoded.
//
// Columns: M = bytes read plus written per second over the memory roofline of the same run; x_plain = speed over a plain
// loop of one thread that turns f32 into two bytes and back; bits = stored bits a value, everything included.
// Arguments: Google Benchmark's. KVSTONE_BENCH_MB sets the tensor's size (256).

#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>

#include "backends/roofline.hpp"
#include "backends/timer.hpp"
#include "codecs/registry.hpp"
#include "codecs/tensor_codec.hpp"

namespace kvstone {
namespace {

/// A tensor as large as asked for, normal values, repeated every 2^20 values.
struct Input {
    KvShape shape;
    std::vector<float> values;
    std::vector<float> result;

    Input() {
        char const* const asked = std::getenv("KVSTONE_BENCH_MB");
        auto const megabytes = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 256;
        shape = {1, 8, std::max<std::uint64_t>(1, megabytes * 1024 * 1024 / 4 / 8 / 128), 128};
        values.resize(shape.values());
        result.resize(shape.values());
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        for (std::size_t i = 0; i < values.size(); ++i) {
            values[i] = i < (1U << 20) ? normal(random) : values[i - (1U << 20)];
        }
    }
    KvView view(std::vector<float>& of) const { return {of.data(), ElementType::f32, shape, KvStrides::packed(shape)}; }
};

Input& input() {
    static Input made;
    return made;
}

/// The loop anyone would write first, and how long it takes a pass over the input.
double plain_loop_ns() {
    static double const measured = [] {
        auto& [shape, values, result] = input();
        std::vector<std::uint16_t> halves(values.size());
        auto const once = [&] {
            for (std::size_t i = 0; i < values.size(); ++i) {
                halves[i] = Kokkos::bit_cast<std::uint16_t>(static_cast<_Float16>(values[i]));
                benchmark::DoNotOptimize(halves[i]);
            }
            benchmark::ClobberMemory();
        };
        once();
        return static_cast<double>(fenced_ns(BackendKind::openmp, once));
    }();
    return measured;
}

double roofline() {
    static double const measured = measure_roofline(BackendKind::openmp).gb_per_s();
    return measured;
}

template <class Work>
void run(benchmark::State& state, TensorCodec const& codec, std::size_t traffic, Work const& work) {
    double spent_ns = 0;
    for (auto _ : state) {
        auto const ns = static_cast<double>(fenced_ns(BackendKind::openmp, work));
        state.SetIterationTime(ns * 1e-9);
        spent_ns += ns;
    }
    auto const pass_ns = spent_ns / static_cast<double>(state.iterations());
    auto const values = static_cast<double>(input().shape.values());
    state.counters["M"] = static_cast<double>(traffic) / pass_ns / roofline();
    state.counters["x_plain"] = plain_loop_ns() / pass_ns;
    state.counters["GB/s"] = values * sizeof(float) / pass_ns;
    state.counters["bits"] = 8 * static_cast<double>(codec.ledger().stored_bytes()) / values;
}

void add(std::string const& text) {
    auto const made = [text] {
        return std::make_unique<TensorCodec>(Codec::parse(text), Component::k, input().shape, ElementType::f32,
                                             BackendKind::openmp);
    };
    auto const encode = [made](benchmark::State& state) {
        auto const codec = made();
        auto const view = input().view(input().values);
        codec->encode(view);
        run(state, *codec, codec->encode_traffic_bytes(), [&] { codec->encode(view); });
    };
    auto const decode = [made](benchmark::State& state) {
        auto const codec = made();
        codec->encode(input().view(input().values));
        auto const view = input().view(input().result);
        codec->decode(view);
        run(state, *codec, codec->decode_traffic_bytes(), [&] { codec->decode(view); });
    };
    benchmark::RegisterBenchmark(text + " encode", encode)->UseManualTime()->Unit(benchmark::kMillisecond);
    benchmark::RegisterBenchmark(text + " decode", decode)->UseManualTime()->Unit(benchmark::kMillisecond);
}

}  // namespace
}  // namespace kvstone

int main(int argument_count, char** arguments) {
    benchmark::Initialize(&argument_count, arguments);
    if (benchmark::ReportUnrecognizedArguments(argument_count, arguments)) return 2;
    kvstone::BackendRuntime const runtime;
    for (auto const& [name, entry] : kvstone::stage_registry()) {
        for (auto const& example : entry.info.examples) kvstone::add(example);
    }
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
