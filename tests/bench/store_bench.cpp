// The store against SQLite itself, and questions to a database of 10,000 cells with a million samples.

#include <filesystem>
#include <sstream>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <unistd.h>

#include "results/query/query.hpp"
#include "results/query/show.hpp"
#include "results/record/metrics.hpp"
#include "results/store/sample_schema.hpp"
#include "results/store/sqlite.hpp"
#include "results/store/store.hpp"
#include "results/verdict/compare.hpp"
#include "results/verdict/gate.hpp"

namespace kvstone {
namespace {

constexpr int samples_per_attempt = 100;
constexpr std::size_t batch = 50;

std::string database(std::string const& name) {
    return (std::filesystem::temp_directory_path() / fmt::format("kvstone_bench_{}_{}.db", getpid(), name)).string();
}

Plan plan_of(int cells) {
    Plan plan;
    plan.scenario = "bench";
    plan.hash = fmt::format("{:016}", cells);
    for (int i = 0; i < cells; ++i) {
        Cell cell;
        cell.canonical = fmt::format("cell {}", i);
        cell.id = fmt::format("{:016x}", i);
        cell.workload = "roundtrip";
        cell.source_name = fmt::format("source{}", i % 10);
        cell.source = {{"kind", "synthetic"}, {"name", cell.source_name}};
        cell.context = 512U << (i / 10 % 5);
        cell.codec = cell.codec_name = fmt::format("codec:bits={}", i / 50);
        cell.backend = "openmp";
        plan.cells.push_back(std::move(cell));
    }
    return plan;
}

/// The figures of a roundtrip: every byte, error and speed metric of three components, two series of samples.
Measurement measurement_of(Cell const& cell, int serial) {
    Measurement m;
    m.attempt_id = fmt::format("{:032x}", serial);
    m.cell_id = cell.id;
    m.status = Status::ok;
    m.started_utc = "2026-01-02T03:04:05.000Z";
    m.finished_utc = "2026-01-02T03:04:06.250Z";
    m.wall_ns = 1'000'000;
    m.roofline_gb_per_s = 20 + serial % 7 * 0.1;  // looked at beside the host's earlier ones
    m.device = "CPU";
    m.threads = 2;
    m.host = {{"name", "node1"}, {"hardware_class", "hw"}, {"load_average", 0.5}, {"clock_mhz", 3000 + serial % 5}};
    auto const all = metrics();
    for (auto const* component : {"k", "v", "kv"})
        for (auto const& metric : all.first(40))
            m.figures.push_back({component, std::string(metric.name), 1.0 / (serial + 1), 1, {}, {}});
    for (auto const* metric : {"encode_ns", "decode_ns"}) {
        Samples samples{"kv", metric, {}};
        for (int i = 0; i < samples_per_attempt / 2; ++i) samples.values.push_back(1000.5 + i);
        m.samples.push_back(std::move(samples));
    }
    return m;
}

/// Rows per second through Store::ingest, 50 attempts a transaction.
void ingest(benchmark::State& state) {
    auto const plan = plan_of(2000);
    std::vector<std::vector<Measurement>> batches(plan.cells.size() / batch);
    for (std::size_t i = 0; i < plan.cells.size(); ++i)
        batches[i / batch].push_back(measurement_of(plan.cells[i], static_cast<int>(i)));
    auto const path = database("ingest");
    std::int64_t rows = 0;
    for (auto _ : state) {
        state.PauseTiming();
        {
            auto store = Store::open(path);
            auto const campaign = store.begin_campaign(plan, {}, "hw", false);
            state.ResumeTiming();
            for (auto const& measurements : batches) store.ingest(campaign, measurements);
            state.PauseTiming();
        }
        std::filesystem::remove(path);
        for (auto const& m : batches[0])
            rows += static_cast<std::int64_t>(batches.size() * (1 + m.figures.size() + samples_per_attempt));
        state.ResumeTiming();
    }
    state.SetItemsProcessed(rows);
}
BENCHMARK(ingest)->Unit(benchmark::kMillisecond)->UseRealTime();

void store_samples(Statement& statement, std::size_t attempt, std::size_t series, std::vector<double> const& values) {
    for (std::size_t first = 0; first < values.size(); first += samples_a_row) {
        auto const at = [&](std::size_t i) {
            return first + i < values.size() ? std::optional(values[first + i]) : std::nullopt;
        };
        statement.run(attempt, series, std::min(first + samples_a_row, values.size()) - 1, at(0), at(1), at(2), at(3),
                      at(4));
    }
}

/// The same rows into the same tables through bare prepared statements: the reference of ingest.
void ingest_raw(benchmark::State& state) {
    auto const plan = plan_of(2000);
    auto const model = measurement_of(plan.cells[0], 1);
    auto const path = database("raw");
    std::int64_t rows = 0;
    for (auto _ : state) {
        state.PauseTiming();
        {
            auto store = Store::open(path);
            store.begin_campaign(plan, {}, "hw", false);
            auto* const db = store.connection();
            execute(db, "INSERT INTO host(uid, facts) VALUES ('1', '{}')");
            Statement attempt(
                db,
                "INSERT INTO attempt(id, uid, campaign, cell, process, status, started_utc, finished_utc, "
                "wall_ns, device, threads, host) VALUES (?, ?, 1, ?, 0, 'ok', ?, ?, ?, ?, 2, 1)");
            Statement figure(db, "INSERT INTO figure VALUES (?, ?, ?, ?, 1, NULL, NULL)");
            Statement compared(db,
                               "INSERT INTO compared_figures(attempt, nmse, bits, tensor_rate) VALUES (?, ?, ?, ?)");
            execute(db, "INSERT INTO series VALUES (1, 1, 'kv'), (2, 2, 'kv')");
            Statement sample(db, "INSERT INTO sample_block VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
            state.ResumeTiming();
            for (std::size_t first = 1; first <= plan.cells.size(); first += batch) {
                Transaction transaction(db);
                for (std::size_t id = first; id < first + batch; ++id) {
                    attempt.run(id, fmt::format("{:032x}", id), id, model.started_utc, model.finished_utc,
                                model.wall_ns, model.device);
                    for (std::size_t i = 0; i < model.figures.size(); ++i)
                        figure.run(id, 1 + i % 40, model.figures[i].component, *model.figures[i].value);
                    compared.run(id, 0.5, 0.5, 0.5);
                    for (std::size_t series = 0; series < model.samples.size(); ++series)
                        store_samples(sample, id, 1 + series, model.samples[series].values);
                }
                transaction.commit();
            }
            state.PauseTiming();
        }
        std::filesystem::remove(path);
        rows += static_cast<std::int64_t>(plan.cells.size() * (1 + model.figures.size() + samples_per_attempt));
        state.ResumeTiming();
    }
    state.SetItemsProcessed(rows);
}
BENCHMARK(ingest_raw)->Unit(benchmark::kMillisecond)->UseRealTime();

/// 10,000 cells, 1.2 million figures, a million samples; made once, removed at exit.
class LargeDatabase {
  public:
    LargeDatabase() {
        auto const plan = plan_of(10'000);
        auto store = Store::open(path_);
        auto const campaign = store.begin_campaign(plan, {}, "hw", false);
        for (std::size_t i = 0; i < plan.cells.size(); i += batch) {
            std::vector<Measurement> measurements;
            for (std::size_t j = i; j < i + batch; ++j)
                measurements.push_back(measurement_of(plan.cells[j], static_cast<int>(j)));
            store.ingest(campaign, measurements);
        }
    }
    ~LargeDatabase() { std::filesystem::remove(path_); }
    Store open() const { return Store::open_read_only(path_); }
    std::string const& path() const { return path_; }
    double bytes() const { return static_cast<double>(std::filesystem::file_size(path_)); }

  private:
    std::string path_ = database("large");
};

LargeDatabase const& large() {
    static LargeDatabase const made;
    return made;
}

void ask(benchmark::State& state, std::string const& sql) {
    large();
    std::size_t rows = 0;
    for (auto _ : state) {
        auto const store = large().open();
        rows = query(store, sql).rows.size();
    }
    state.counters["rows"] = static_cast<double>(rows);
    state.counters["file_bytes"] = large().bytes();
}
BENCHMARK_CAPTURE(ask, three_metrics,
                  "SELECT codec, component, metric, value FROM v_latest WHERE metric IN ('ratio_vs_fp16', 'mae', "
                  "'encode_roofline')")
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask, one_codec, "@codec codec:bits=7")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask, best_by, "@best-by cosine")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask, all_figures, "SELECT count(*), sum(value) FROM v_latest")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask, missing, "SELECT count(*) FROM v_missing")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(ask, all_samples, "SELECT metric, count(*), avg(value) FROM sample GROUP BY metric")
    ->Unit(benchmark::kMillisecond);

void summary(benchmark::State& state) {
    large();
    for (auto _ : state) {
        std::ostringstream out;
        show_summary(large().open(), out);
        benchmark::DoNotOptimize(out.str().data());
    }
}
BENCHMARK(summary)->Unit(benchmark::kMillisecond);

/// Every figure of 10,000 cells read and compared twice over: a campaign with itself.
void compare(benchmark::State& state) {
    auto const path = large().path();
    for (auto _ : state) {
        auto [base, head] = read_sides(path, "latest", "latest");
        auto const comparison = compare_sides(std::move(base), std::move(head), {}, false);
        state.counters["equal"] = static_cast<double>(comparison->equal);
    }
}
BENCHMARK(compare)->Unit(benchmark::kMillisecond);

/// Bounds and comparisons with a base, kv alone, decided for every cell; storing the findings is not in it.
void gate(benchmark::State& state) {
    auto const path = large().path();
    auto const policy = parse_policy(
        "gate: 1\nrules: [ratio_vs_fp32 >= 0.00001, bits_per_value <= 5, relative_error_l1 no worse than 1%]\n",
        "bench");
    auto const rules = rules_of(policy);
    auto const wanted = metrics_of(policy, rules);
    for (auto _ : state) {
        Evidence evidence{.base = read_side(path, "latest", {}, wanted), .head = read_side(path, "latest", {}, wanted)};
        state.counters["decisions"] = static_cast<double>(judge_gate(policy, rules, evidence).findings.size());
    }
}
BENCHMARK(gate)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace kvstone

BENCHMARK_MAIN();
