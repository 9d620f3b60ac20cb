#pragma once
// Plans, builds and measurements made up for the tests of the store.

#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "results/store/compared_figures.hpp"
#include "results/store/sqlite.hpp"
#include "results/store/store.hpp"
#include "results/store/summary_schema.hpp"
#include "tests/scratch_folder.hpp"

namespace kvstone::test {

/// Where databases lie.
class Folder : public ScratchFolder {
  public:
    std::string file(std::string const& name = "kvstone.db") const { return *this / name; }
    std::size_t files() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path()), {}));
    }
};

inline Cell cell(std::string const& codec, std::uint64_t context = 512) {
    Cell c;
    c.canonical = fmt::format(R"({{"codec":"{}","context":{}}})", codec, context);
    c.id = fmt::format("{:0>16}", fmt::format("{}{}", codec, context));
    c.workload = "roundtrip";
    c.source = {{"kind", "model"}, {"gguf", "0011223344556677"}};
    c.source_name = "tiny";
    c.context = context;
    c.codec = codec;
    c.codec_name = codec;
    c.backend = "openmp";
    return c;
}

inline Plan plan(std::vector<Cell> cells, int processes = 1) {
    Plan p;
    p.scenario = "quickstart";
    p.measure.processes = processes;
    p.hash = fmt::format("plan{:02}{:010}", processes, cells.size());
    p.cells = std::move(cells);
    return p;
}

inline Build build(std::string const& git_sha = "0123456789abcdef0123456789abcdef01234567",
                   std::string const& source_hash = "5eed5eed5eed5eed") {
    return {.version = "0.1.0",
            .git_sha = git_sha,
            .source_hash = source_hash,
            .build_type = "Release",
            .compiler = "GNU 16.2.0",
            .flags = "-O3",
            .processor = "avx2 fma",
            .toolchain = "feedfacefeedface",
            .toolchain_packages = "g++ 16.2.0\nlibc6 2.43\n",
            .has_mpi = true,
            .has_llama = true,
            .has_cuda = false};
}

inline std::string unique_id() {
    static int count = 0;
    return fmt::format("{:016x}{:016x}", getpid(), ++count);
}

inline Measurement measurement(Cell const& c, Status status = Status::ok, double cosine = 0.75, int process = 0) {
    Measurement m;
    m.attempt_id = unique_id();
    m.cell_id = c.id;
    m.process = process;
    m.status = status;
    m.started_utc = "2026-01-02T03:04:05.000Z";
    m.finished_utc = "2026-01-02T03:04:06.250Z";
    m.wall_ns = 1'250'000'000;
    m.harness_ns = 40'000'000;
    m.roofline_gb_per_s = 20.5;
    m.device = "AMD EPYC";
    m.threads = 2;
    m.host = {
        {"name", "node1"}, {"hardware_class", "hw"}, {"hardware_name", "AMD EPYC x2 24GiB"}, {"load_average", 0.5}};
    if (status != Status::ok) {
        m.reason = "because";
        return m;
    }
    m.figures = {{"k", "cosine", cosine, 1, {}, {}},
                 {"v", "cosine", 0.5, 1, {}, {}},
                 {"kv", "encode_ns", 1000.0 * (process + 1), 3, 900.0, 1100.0}};
    m.samples = {{"kv", "encode_ns", {900.0, 1000.0, 1100.0}}};
    m.profiles = {{"k", "mae", 0, 1, -1, 0.125}, {"k", "mae", 1, 1, -1, 0.25}};
    return m;
}

inline std::int64_t number(Store const& store, std::string const& sql) {
    Statement statement(store.connection(), sql);
    if (!statement.step()) throw std::runtime_error("no row: " + sql);
    return statement.integer(0);
}

inline std::string text(Store const& store, std::string const& sql) {
    Statement statement(store.connection(), sql);
    if (!statement.step()) throw std::runtime_error("no row: " + sql);
    return statement.text(0);
}

/// Stored rows of the summaries that attempts and figures do not give, and rows that they give and that are not stored.
inline std::int64_t stale_summaries(Store const& store) {
    auto const stale = [&](std::string const& table, std::string const& anew) {
        return number(
            store, fmt::format("SELECT (SELECT count(*) FROM (SELECT * FROM {0} EXCEPT SELECT * FROM ({1}))) + (SELECT "
                               "count(*) FROM (SELECT * FROM ({1}) EXCEPT SELECT * FROM {0}))",
                               table, anew));
    };
    return stale("outcome", outcomes_sql("true")) +
           stale("compared_figures", compared_figures_sql("a.id IN (SELECT attempt FROM figure)"));
}

/// Does to a file what the sqlite3 shell would do; makes it where there is none.
inline void execute_in(std::string const& file, std::string const& sql) {
    sqlite3* handle = nullptr;
    int const code = sqlite3_open(file.c_str(), &handle);
    Connection const connection(handle);
    if (code != SQLITE_OK) throw std::runtime_error("cannot open " + file);
    execute(handle, sql);
}

/// "message" must occur in what F throws as an E.
template <class E, class F>
void expect_error(F&& call, std::string const& message) {
    try {
        call();
        ADD_FAILURE() << "nothing was thrown; expected: " << message;
    } catch (E const& error) {
        EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
}

}  // namespace kvstone::test
