// Attention over K and V and over a decoded pair at once. OMP_NUM_THREADS says with how many threads.
//
// GB/s       bytes of Q, K, V, K' and V' over the time of a pass
// GFMA/s     multiply-adds that the sums q.k, q.k', p v and p' v' need, visible tokens alone, over the time of a pass
// peak       the same for independent chains of multiply-adds in registers, in the same round: double precision, as the
//            comparison is
// share      the time that a roofline of memory and multiply-adds allows at best, over the time of a pass; the goal is
//            0.5. `bound` says which of the two it is.
// copy       bytes read plus written per second by the faster copy of large buffers, in the same round
// read       the same where there is nothing to write, as here
// MB         resident memory that a pass takes beside its tensors, at most: the first pass's
// Arguments: Google Benchmark's. Each figure is the best of all rounds.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "backends/backend.hpp"
#include "backends/kernels/roofline.hpp"
#include "backends/kernels/simd_target.hpp"
#include "harness/quality/compare_attention.hpp"
#include "tests/bench/attention/peak.hpp"

namespace kvstone::bench {
namespace {

using Space = Kokkos::DefaultHostExecutionSpace;

struct Case {
    char const* name;
    KvShape kv;
    std::uint64_t heads;
    std::uint64_t queries;
};

constexpr Case cases[] = {{"4 query heads of 128 a KV head, 64 queries, 2k", {1, 4, 2048, 128}, 16, 64},
                          {"the same, 8k", {1, 1, 8192, 128}, 4, 64},
                          {"the same, 128k", {1, 1, 131072, 128}, 4, 64},
                          {"1 query head of 64 a KV head, 64 queries, 4k", {1, 8, 4096, 64}, 8, 64},
                          {"4 query heads of 80 a KV head, 64 queries, 4k", {1, 2, 4096, 80}, 8, 64},
                          {"1 query head of 128 a KV head, one query, 32k", {1, 8, 32768, 128}, 8, 1},
                          {"4 query heads of 128 a KV head, one query, 32k", {1, 8, 32768, 128}, 32, 1}};

struct Round {
    double pass_s;
    double gb;
    double gfma;
    double peak_gfma_per_s;
    double copy_gb_per_s;
    double read_gb_per_s;
    double mb;

    double least_s() const { return std::max(gb / copy_gb_per_s, gfma / peak_gfma_per_s); }
};

double seconds(auto const& action) {
    auto const start = std::chrono::steady_clock::now();
    action();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Multiply-adds a second of `threads` threads, in 10^9.
double peak_gfma_per_s(int threads) {
    constexpr std::int64_t steps = 1'000'000;
    std::vector<double> sink(static_cast<std::size_t>(threads));
    std::int64_t numbers = 0;  // of one thread
    auto const time = seconds([&] {
        std::vector<std::jthread> others;
        for (int thread = 1; thread < threads; ++thread) {
            others.emplace_back(
                [&sink, thread] { multiply_add_chains(steps, sink[static_cast<std::size_t>(thread)]); });
        }
        numbers = multiply_add_chains(steps, sink[0]);
    });
    benchmark::DoNotOptimize(sink.data());
    return static_cast<double>(threads) * static_cast<double>(numbers) / time * 1e-9;
}

class Problem {
  public:
    explicit Problem(Case const& of) : case_(of), q_shape_{of.kv.layers, of.heads, of.queries, of.kv.dim} {
        std::minstd_rand random(1);
        auto const fill = [&](std::vector<float>& values, std::uint64_t count) {
            values.resize(count);
            for (auto& value : values) value = static_cast<float>(random()) * 0x1p-31F - 0.5F;
        };
        fill(q_, q_shape_.values());
        for (auto* values : {&k_, &v_, &k_decoded_, &v_decoded_}) fill(*values, of.kv.values());
        for (std::uint64_t i = 1; i <= of.queries; ++i)
            last_visible_.push_back(of.kv.tokens / 2 + of.kv.tokens / 2 * i / of.queries - 1);
        results_.resize(q_shape_.vectors());
    }

    double pass_s() {
        return seconds([&] { compare_attention(Space(), tensors(), results_.data()); });
    }
    double gb() const { return static_cast<double>(4 * (q_.size() + 4 * case_.kv.values())) * 1e-9; }
    double gfma() const {
        double visible = 0;
        for (auto const last : last_visible_) visible += static_cast<double>(last) + 1;
        return visible * static_cast<double>(case_.kv.layers * case_.heads * 4 * case_.kv.dim) * 1e-9;
    }

  private:
    static KvView view(std::vector<float>& values, KvShape const& shape) {
        return {values.data(), ElementType::f32, shape, KvStrides::packed(shape)};
    }
    AttentionTensors tensors() {
        return {view(q_, q_shape_),
                last_visible_.data(),
                view(k_, case_.kv),
                view(v_, case_.kv),
                view(k_decoded_, case_.kv),
                view(v_decoded_, case_.kv),
                0.1};
    }

    Case case_;
    KvShape q_shape_;
    std::vector<float> q_, k_, v_, k_decoded_, v_decoded_;
    std::vector<std::uint64_t> last_visible_;
    std::vector<QueryComparison> results_;
};

/// Resident memory of this process in MB by a line of /proc/self/status.
double resident_mb(std::string_view line) {
    std::ifstream status("/proc/self/status");
    for (std::string text; std::getline(status, text);)
        if (text.starts_with(line)) return std::stod(text.substr(line.size() + 1)) * 1.024e-3;
    return 0;
}
double resident_before = 0;
void start_peak_memory() {
    std::ofstream("/proc/self/clear_refs") << "5";
    resident_before = resident_mb("VmRSS");
}
double peak_memory_mb() { return resident_mb("VmHWM") - resident_before; }

std::map<std::string, std::vector<Round>> rounds;

void measure(benchmark::State& state, Case const& of, int threads) {
    Problem problem(of);
    auto& all = rounds[fmt::format("{}", of.name)];
    for (auto _ : state) {
        auto const peak = peak_gfma_per_s(threads);
        auto const memory = measure_roofline(BackendKind::openmp, std::size_t{128} << 20, 1);
        start_peak_memory();
        auto const pass_s = problem.pass_s();
        all.push_back(
            {pass_s, problem.gb(), problem.gfma(), peak, memory.gb_per_s(), memory.read_gb_per_s, peak_memory_mb()});
        state.SetIterationTime(pass_s);
    }
}

/// The best of all rounds, figure by figure: other load on the machine only slows down.
Round best_of(std::vector<Round> const& all) {
    auto best = all.front();
    for (auto const& round : all) {
        best.pass_s = std::min(best.pass_s, round.pass_s);
        best.peak_gfma_per_s = std::max(best.peak_gfma_per_s, round.peak_gfma_per_s);
        best.copy_gb_per_s = std::max(best.copy_gb_per_s, round.copy_gb_per_s);
        best.read_gb_per_s = std::max(best.read_gb_per_s, round.read_gb_per_s);
        best.mb = std::max(best.mb, round.mb);
    }
    return best;
}

void print() {
    fmt::print("{:<50}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}{:>7}  {}\n", "case", "ms", "GB/s", "GFMA/s", "peak", "copy",
               "read", "share", "MB", "bound");
    for (auto const& of : cases) {
        auto const found = rounds.find(of.name);
        if (found == rounds.end()) continue;
        auto const best = best_of(found->second);
        bool const by_memory = best.gb / best.copy_gb_per_s > best.gfma / best.peak_gfma_per_s;
        fmt::print("{:<50}{:>9.1f}{:>9.1f}{:>9.1f}{:>9.1f}{:>9.1f}{:>9.1f}{:>8.2f}{:>7.1f}  {}\n", of.name,
                   1e3 * best.pass_s, best.gb / best.pass_s, best.gfma / best.pass_s, best.peak_gfma_per_s,
                   best.copy_gb_per_s, best.read_gb_per_s, best.least_s() / best.pass_s, best.mb,
                   by_memory ? "memory" : "multiply-adds");
    }
}

}  // namespace
}  // namespace kvstone::bench

int main(int argument_count, char** arguments) {
    using namespace kvstone;
    benchmark::Initialize(&argument_count, arguments);
    if (benchmark::ReportUnrecognizedArguments(argument_count, arguments)) return 2;
    BackendRuntime const runtime;
    int const threads = Kokkos::DefaultHostExecutionSpace().concurrency();
    for (auto const& of : bench::cases)
        benchmark::RegisterBenchmark(of.name,
                                     [&of, threads](benchmark::State& state) { bench::measure(state, of, threads); })
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond);
    benchmark::RunSpecifiedBenchmarks();
    fmt::print("{} threads, vector unit {}\n", threads, simd_target());
    bench::print();
    return 0;
}
