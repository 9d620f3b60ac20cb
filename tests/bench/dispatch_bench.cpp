// The cost of dispatching: over threads, against a bare MPI task farm where there is MPI, and beside its simulation.

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cluster/scheduler.hpp"
#include "cluster/simulator.hpp"
#include "cluster/world.hpp"
#include "results/record/metrics.hpp"
#include "results/store/store.hpp"
#include "tests/bench/dispatch/mpi_farm.hpp"
#include "tests/cluster/local_cluster.hpp"

namespace kvstone {
namespace {

void dispatch_in_process(benchmark::State& state) {
    constexpr int count = 2000;
    for (auto _ : state) {
        LocalCluster farm(1 + static_cast<int>(state.range(0)));
        farm.callbacks.results = [](std::vector<Measurement> const&) {};
        if (farm.run(fake_items(count)).ok != count) state.SkipWithError("items were lost");
    }
    state.SetItemsProcessed(state.iterations() * count);
}
BENCHMARK(dispatch_in_process)->ArgName("workers")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kMillisecond);

/// The figures of a roundtrip: forty metrics of three components, two series of samples.
Measurement roundtrip(WorkItem const& item) {
    Measurement m;
    m.attempt_id = item.attempt_id;
    m.cell_id = item.cell.id;
    m.status = Status::ok;
    m.started_utc = "2026-01-02T03:04:05.000Z";
    m.finished_utc = "2026-01-02T03:04:06.250Z";
    m.wall_ns = 1'000'000;
    m.host = {{"name", "node1"}};
    for (auto const* component : {"k", "v", "kv"})
        for (auto const& metric : metrics().first(40))
            m.figures.push_back({component, std::string(metric.name), 1.0 / 3, 1, {}, {}});
    for (auto const* metric : {"encode_ns", "decode_ns"}) m.samples.push_back({"kv", metric, std::vector(50, 1000.5)});
    return m;
}

/// Rank 0's part of attempts that come in together: coordinator_attempt_s of the simulator each, and
/// coordinator_transaction_s once.
void coordinator_attempts(benchmark::State& state) {
    constexpr int count = 8000;
    int const together = static_cast<int>(state.range(0));
    auto const path =
        (std::filesystem::temp_directory_path() / fmt::format("kvstone_bench_{}_dispatch.db", getpid())).string();
    {
        Plan plan;
        plan.hash = "0123456789abcdef";
        auto items = fake_items(count, true);
        for (auto const& item : items) plan.cells.push_back(item.cell);
        auto store = Store::open(path);
        auto const campaign = store.begin_campaign(plan, {}, "hw", false);
        Scheduler scheduler(std::move(items), 60);
        for (int rank = 1; rank <= together; ++rank) scheduler.join(rank, fake_worker(fmt::format("node {}", rank)));
        for (auto _ : state) {
            std::vector<Measurement> measurements;
            for (int rank = 1; rank <= together; ++rank) {
                auto const* item = scheduler.deal(rank, 0);
                if (item == nullptr) return state.SkipWithError("too few items");
                benchmark::DoNotOptimize(encode_message(Deal{*item}));
                state.PauseTiming();
                auto const body = encode_message(Result{roundtrip(*item)});
                state.ResumeTiming();
                measurements.push_back(std::get<Result>(decode_message(body)).measurement);
                scheduler.finish(rank, measurements.back().attempt_id);
            }
            store.ingest(campaign, measurements);
        }
    }
    std::filesystem::remove(path);
}
BENCHMARK(coordinator_attempts)
    ->ArgName("together")
    ->Arg(1)
    ->Arg(16)
    ->Iterations(200)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

std::vector<WorkItem> three_decades(int count) {
    std::vector<WorkItem> items;
    for (int i = 0; i < count; ++i) {
        items.push_back(fake_item(i, "openmp", true, i % 100));
        items.back().estimated_s = std::pow(10, 3.0 * ((i * 7919) % count) / count - 1);
    }
    return items;
}

void simulate(benchmark::State& state) {
    Simulator const simulator(three_decades(100'000), {.mtbf_h = 500});
    for (auto _ : state) state.counters["efficiency"] = simulator.run(static_cast<int>(state.range(0))).efficiency;
    state.SetItemsProcessed(state.iterations() * 100'000);
}
BENCHMARK(simulate)->ArgName("nodes")->Arg(1)->Arg(64)->Arg(1024)->Arg(4096)->Unit(benchmark::kMillisecond);

/// Sleeps in place of measurements: how far the simulator is off on workers that are really there.
void simulated_beside_real(benchmark::State& state) {
    int const workers = static_cast<int>(state.range(0));
    std::vector<WorkItem> items;
    for (int i = 0; i < 60; ++i) {
        items.push_back(fake_item(i, "openmp", true, i % 6));
        items.back().estimated_s = 0.02 * std::pow(10, (i * 17 % 60) / 60.0);
    }
    double real_s = 0;
    for (auto _ : state) {
        LocalCluster farm(1 + workers);
        for (int rank = 1; rank <= workers; ++rank) farm.workers[rank].node = fmt::format("node {}", rank);
        farm.measure = [](int, WorkItem const& item) {
            std::this_thread::sleep_for(
                std::chrono::duration<double>(0.02 * std::pow(10, (number_of(item) * 17 % 60) / 60.0)));
            return fake_measurement(item);
        };
        auto const started = std::chrono::steady_clock::now();
        farm.run(items);
        real_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
    }
    double const simulated_s =
        Simulator(items, {.spread = 0, .attempt_s = 0, .transaction_s = 0}).run(workers).makespan_s;
    state.counters["real_s"] = real_s;
    state.counters["simulated_s"] = simulated_s;
    state.counters["off_percent"] = 100 * (simulated_s / real_s - 1);
}
BENCHMARK(simulated_beside_real)->ArgName("workers")->Arg(2)->Arg(3)->Iterations(1)->UseRealTime();

}  // namespace
}  // namespace kvstone

int main(int argc, char** argv) {
    auto const launch = kvstone::detect_launch([](char const* name) { return std::getenv(name); });
    if (launch.size.value_or(1) > 1) return kvstone::compare_with_mpi_farm();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
    return kvstone::start_under_mpi(argv[0]);
}
