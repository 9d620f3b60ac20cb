// How long a plan of many cells takes, from the scenario's text to hashed and identified cells.

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "scenarios/scenario.hpp"

namespace kvstone {
namespace {

/// Names of everything; a codec text is taken as it stands.
Vocabulary any_vocabulary() {
    Vocabulary vocabulary;
    vocabulary.canonical_codec = [](std::string const& text) { return text; };
    vocabulary.workloads = {"roundtrip", "attention"};
    vocabulary.backends = {"openmp", "cuda"};
    vocabulary.distributions = {"llama", "normal"};
    return vocabulary;
}

/// 10 sources x 10 contexts x 125 codecs x 2 backends x 2 batches x 2 workloads of 100,000 cells, or as many codecs as
/// another number of cells asks for.
std::string scenario_of(std::int64_t cells) {
    std::string yaml = "kvstone: 1\nsources:\n";
    for (int seed = 0; seed < 10; ++seed)
        yaml += fmt::format("  - synthetic: {{layers: 32, heads: 32, kv_heads: 8, head_dim: 128, seed: {}}}\n", seed);
    yaml +=
        "grid:\n  context: [512, 1k, 2k, 4k, 8k, 16k, 32k, 64k, 128k, 256k]\n  backend: [openmp, cuda]\n"
        "  batch: [1, 8]\n  codec:\n";
    for (std::int64_t codec = 0; codec < cells / 800; ++codec)
        yaml += fmt::format(
            "    - window(128){{raw}} k{{int:bits=4,axis=channel,group={0}}} v{{int:bits=4,group={0}}}\n", codec + 1);
    yaml +=
        "workloads: [roundtrip, attention]\nexclude:\n"
        "  - {backend: cuda, batch: 8, codec: 'window(128){raw} k{int:bits=4,axis=channel,group=1} "
        "v{int:bits=4,group=1}'}\n";
    return yaml;
}

void plan_cells(benchmark::State& state) {
    auto const yaml = scenario_of(state.range(0));
    auto const vocabulary = any_vocabulary();
    std::size_t cells = 0;
    for (auto _ : state) {
        auto const plan = parse_plan(yaml, "bench.yaml", ".", vocabulary);
        cells = plan.cells.size();
        benchmark::DoNotOptimize(plan.hash.data());
    }
    state.counters["cells"] = static_cast<double>(cells);
    state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(cells));
}
BENCHMARK(plan_cells)->Arg(8'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kvstone

BENCHMARK_MAIN();
