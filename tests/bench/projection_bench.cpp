// Projections beside OpenBLAS's sgemm at the same shape: 8 heads of 2,048 tokens of 128 channels on 96, 112 or 120 axes, and
// back. `sgemm` is one call of the serial library, `rows` the kernel on one thread, `project` and `rebuild` the stage's own
// loops on all threads. `fit` is what `kvstone calibrate` does for one tensor: 32 layers of 8 heads, 2,048 tokens.
// items_per_second counts multiply-adds.

#include <algorithm>
#include <random>
#include <vector>

#include <benchmark/benchmark.h>
#include <cblas.h>

#include "backends/backend.hpp"
#include "backends/spaces.hpp"
#include "codecs/kernels/fit_tensor.hpp"
#include "codecs/kernels/projection.hpp"

namespace kvstone::bench {
namespace {

KvShape const shape{1, 8, 2048, 128};

std::vector<float> values_of(std::size_t count) {
    std::minstd_rand random(1);
    std::vector<float> values(count);
    for (auto& value : values) value = static_cast<float>(random() % 2001) / 1000 - 1;
    return values;
}

void count_work(benchmark::State& state, std::uint64_t rank) {
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(shape.values() * rank));
}

void sgemm(benchmark::State& state) {
    auto const rank = static_cast<int>(state.range(0));
    auto const a = values_of(shape.values());
    auto const w = values_of(shape.dim * static_cast<std::size_t>(rank));
    std::vector<float> y(shape.vectors() * static_cast<std::size_t>(rank));
    for (auto _ : state) {
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, static_cast<int>(shape.vectors()), rank, 128, 1,
                    a.data(), 128, w.data(), rank, 0, y.data(), rank);
        benchmark::DoNotOptimize(y.data());
    }
    count_work(state, static_cast<std::uint64_t>(rank));
}
BENCHMARK(sgemm)->Arg(96)->Arg(112)->Arg(120)->UseRealTime();

void rows(benchmark::State& state) {
    auto const rank = static_cast<std::uint64_t>(state.range(0));
    auto const a = values_of(shape.values());
    auto const w = values_of(packed_matrix_values(shape.dim, rank));
    std::vector<float> y(shape.vectors() * rank);
    for (auto _ : state) {
        for (std::uint64_t t = 0; t < shape.vectors(); t += projected_tokens)
            multiply_rows(a.data() + t * 128, 128, std::min(projected_tokens, shape.vectors() - t),
                          {w.data(), 128, 0, 128, rank}, y.data() + t * rank, rank, false);
        benchmark::DoNotOptimize(y.data());
    }
    count_work(state, rank);
}
BENCHMARK(rows)->Arg(96)->Arg(112)->Arg(120)->UseRealTime();

void pass(benchmark::State& state, bool encode) {
    auto const rank = static_cast<std::uint64_t>(state.range(0));
    VectorGroups const groups{shape, 1, 1, rank};
    auto a = values_of(shape.values());
    auto y = values_of(shape.vectors() * rank);
    auto const forward = values_of(groups.count() * PackedBases::forward_values(groups));
    auto const backward = values_of(groups.count() * PackedBases::backward_values(groups));
    PackedBases const bases{forward.data(), backward.data(), nullptr, false};
    auto const coded = groups.coded();
    KvSpan<float> const values{a.data(), shape, KvStrides::packed(shape)};
    KvSpan<float> const coefficients{y.data(), coded, KvStrides::packed(coded)};
    Kokkos::DefaultHostExecutionSpace const space;
    for (auto _ : state) {
        if (encode) {
            project_vectors(space, groups, bases, {a.data(), shape, values.strides}, coefficients);
        } else {
            rebuild_vectors(space, groups, bases, {y.data(), coded, coefficients.strides}, values);
        }
        space.fence();
    }
    count_work(state, rank);
}
void project(benchmark::State& state) { pass(state, true); }
void rebuild(benchmark::State& state) { pass(state, false); }
BENCHMARK(project)->Arg(96)->Arg(112)->Arg(120)->UseRealTime();
BENCHMARK(rebuild)->Arg(96)->Arg(112)->Arg(120)->UseRealTime();

void fit(benchmark::State& state) {
    KvShape const model{32, 8, 2048, 128};
    auto values = values_of(model.values());
    KvView const view{values.data(), ElementType::f32, model, KvStrides::packed(model)};
    for (auto _ : state) benchmark::DoNotOptimize(fit_tensor(view, {}).basis.data());
}
BENCHMARK(fit)->Iterations(1)->UseRealTime()->Unit(benchmark::kSecond);

}  // namespace
}  // namespace kvstone::bench

int main(int argc, char** argv) {
    kvstone::BackendRuntime const runtime;
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
