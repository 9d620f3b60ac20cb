#include "results/store/schema.hpp"

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "results/store/compared_figures.hpp"
#include "results/store/gate_schema.hpp"
#include "results/store/sample_schema.hpp"
#include "results/store/sqlite.hpp"
#include "results/store/summary_schema.hpp"

namespace kvstone {
namespace {

// Rows refer to each other by small integers; for people and other databases their identity is `uid` or a name. Figures
// and samples, of which there are millions, live in the B-tree of their key (WITHOUT ROWID), ordered as they are read:
// all of one attempt and metric together.
constexpr std::string_view version_1 = R"sql(
CREATE TABLE metric(
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  unit TEXT NOT NULL,
  better TEXT NOT NULL CHECK (better IN ('lower', 'higher', 'neither')),
  deterministic INTEGER NOT NULL CHECK (deterministic IN (0, 1)),
  formula TEXT NOT NULL
) STRICT;
CREATE TABLE toolchain(
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,
  packages TEXT NOT NULL
) STRICT;
CREATE TABLE build(
  id INTEGER PRIMARY KEY,
  toolchain INTEGER NOT NULL REFERENCES toolchain(id),
  git_sha TEXT NOT NULL,
  version TEXT NOT NULL,
  build_type TEXT NOT NULL,
  compiler TEXT NOT NULL,
  flags TEXT NOT NULL,
  has_mpi INTEGER NOT NULL,
  has_llama INTEGER NOT NULL,
  has_cuda INTEGER NOT NULL,
  UNIQUE (git_sha, toolchain, version, build_type, compiler, flags, has_mpi, has_llama, has_cuda)
) STRICT;
CREATE TABLE host(
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,
  name TEXT,
  hardware_class TEXT,
  hardware_name TEXT,
  cpu_model TEXT,
  cores INTEGER,
  threads INTEGER,
  memory_bytes INTEGER,
  kernel TEXT,
  governor TEXT,
  facts TEXT NOT NULL
) STRICT;
CREATE TABLE plan(
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,
  processes INTEGER NOT NULL,
  measure TEXT NOT NULL
) STRICT;
CREATE TABLE campaign(
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,
  identity TEXT NOT NULL,
  serial INTEGER NOT NULL,
  scenario TEXT NOT NULL,
  plan INTEGER NOT NULL REFERENCES plan(id),
  build INTEGER NOT NULL REFERENCES build(id),
  hardware_class TEXT NOT NULL,
  started_utc TEXT NOT NULL,
  resumed_utc TEXT NOT NULL,
  UNIQUE (identity, serial)
) STRICT;
CREATE TABLE cell(
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,
  canonical TEXT NOT NULL,
  workload TEXT NOT NULL,
  source TEXT NOT NULL,
  source_kind TEXT,
  source_name TEXT NOT NULL,
  context INTEGER NOT NULL,
  batch INTEGER NOT NULL,
  codec TEXT NOT NULL,
  codec_name TEXT NOT NULL,
  backend TEXT NOT NULL,
  threads INTEGER NOT NULL
) STRICT;
CREATE TABLE expected(
  campaign INTEGER NOT NULL REFERENCES campaign(id),
  cell INTEGER NOT NULL REFERENCES cell(id),
  process INTEGER NOT NULL,
  position INTEGER NOT NULL,
  required INTEGER NOT NULL,
  PRIMARY KEY (campaign, cell, process)
) STRICT, WITHOUT ROWID;
CREATE TABLE attempt(
  id INTEGER PRIMARY KEY,
  uid TEXT NOT NULL UNIQUE,
  campaign INTEGER NOT NULL,
  cell INTEGER NOT NULL,
  process INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN
    ('ok', 'verify_failed', 'error', 'crash', 'timeout', 'oom', 'node_lost', 'skipped')),
  stands INTEGER NOT NULL GENERATED ALWAYS AS (status IN ('ok', 'verify_failed')) VIRTUAL,
  reason TEXT,
  signal INTEGER,
  stderr_tail TEXT,
  started_utc TEXT,
  finished_utc TEXT NOT NULL,
  wall_ns INTEGER,
  harness_ns INTEGER,
  roofline_gb_per_s REAL,
  device TEXT,
  threads INTEGER,
  protocol TEXT,
  task TEXT,
  host INTEGER REFERENCES host(id),
  load_average REAL,
  temperature_c REAL,
  FOREIGN KEY (campaign, cell, process) REFERENCES expected(campaign, cell, process)
) STRICT;
CREATE INDEX attempt_newest ON attempt(campaign, cell, process, stands, finished_utc);
CREATE TABLE figure(
  attempt INTEGER NOT NULL REFERENCES attempt(id),
  metric INTEGER NOT NULL REFERENCES metric(id),
  component TEXT NOT NULL,
  value REAL,
  n INTEGER NOT NULL,
  ci_low REAL,
  ci_high REAL,
  PRIMARY KEY (attempt, metric, component)
) STRICT, WITHOUT ROWID;
CREATE TABLE sample(
  attempt INTEGER NOT NULL REFERENCES attempt(id),
  metric INTEGER NOT NULL REFERENCES metric(id),
  component TEXT NOT NULL,
  position INTEGER NOT NULL,
  value REAL,
  PRIMARY KEY (attempt, metric, component, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE profile(
  attempt INTEGER NOT NULL REFERENCES attempt(id),
  metric INTEGER NOT NULL REFERENCES metric(id),
  component TEXT NOT NULL,
  layer INTEGER NOT NULL,
  head INTEGER NOT NULL,
  position INTEGER NOT NULL,
  value REAL,
  PRIMARY KEY (attempt, metric, component, layer, head, position)
) STRICT, WITHOUT ROWID;
CREATE TABLE combined(
  campaign INTEGER NOT NULL,
  cell INTEGER NOT NULL,
  metric INTEGER NOT NULL REFERENCES metric(id),
  component TEXT NOT NULL,
  value REAL,
  n INTEGER NOT NULL,
  ci_low REAL,
  ci_high REAL,
  PRIMARY KEY (campaign, cell, metric, component)
) STRICT, WITHOUT ROWID;
CREATE TABLE published(
  id INTEGER PRIMARY KEY,
  campaign INTEGER NOT NULL REFERENCES campaign(id),
  match TEXT NOT NULL,
  component TEXT NOT NULL,
  metric INTEGER NOT NULL REFERENCES metric(id),
  value REAL,
  setting TEXT,
  comparable TEXT
) STRICT;
CREATE TABLE published_cell(
  published INTEGER NOT NULL REFERENCES published(id),
  cell INTEGER NOT NULL REFERENCES cell(id),
  PRIMARY KEY (published, cell)
) STRICT, WITHOUT ROWID;
-- An attempt deleted by hand, with any tool, takes along what hangs on it.
CREATE TRIGGER attempt_deleted BEFORE DELETE ON attempt BEGIN
  DELETE FROM figure WHERE attempt = old.id;
  DELETE FROM sample WHERE attempt = old.id;
  DELETE FROM profile WHERE attempt = old.id;
  DELETE FROM combined WHERE campaign = old.campaign AND cell = old.cell;
END;
)sql";

// Claims of studies may be bounds; rules that figures pass or fail.
constexpr std::string_view version_2 = R"sql(
ALTER TABLE published ADD COLUMN relation TEXT NOT NULL DEFAULT 'equals'
  CHECK (relation IN ('equals', 'at_least', 'at_most'));
ALTER TABLE published ADD COLUMN tolerance REAL NOT NULL DEFAULT 0;
UPDATE published SET tolerance = 0.01 * abs(value) WHERE value IS NOT NULL;
CREATE TABLE target(
  id INTEGER PRIMARY KEY,
  campaign INTEGER NOT NULL REFERENCES campaign(id),
  match TEXT NOT NULL,
  component TEXT NOT NULL,
  metric INTEGER NOT NULL REFERENCES metric(id),
  at_least REAL,
  at_most REAL,
  origin TEXT
) STRICT;
CREATE TABLE target_cell(
  target INTEGER NOT NULL REFERENCES target(id),
  cell INTEGER NOT NULL REFERENCES cell(id),
  PRIMARY KEY (target, cell)
) STRICT, WITHOUT ROWID;
)sql";

// Caches that grow have pages.
constexpr std::string_view version_3 = R"sql(
ALTER TABLE cell ADD COLUMN page INTEGER NOT NULL DEFAULT 16;
)sql";

// Workloads have options; the engine in which a model ran.
constexpr std::string_view version_4 = R"sql(
ALTER TABLE cell ADD COLUMN options TEXT NOT NULL DEFAULT '{}';
ALTER TABLE attempt ADD COLUMN engine TEXT;
)sql";

// Signs of a drifting node, and the job of a measurement.
constexpr std::string_view version_5 = R"sql(
ALTER TABLE attempt ADD COLUMN clock_mhz REAL;
ALTER TABLE attempt ADD COLUMN slurm_job TEXT;
ALTER TABLE attempt ADD COLUMN drift TEXT;
CREATE INDEX attempt_surroundings ON attempt(host, device, threads) WHERE roofline_gb_per_s IS NOT NULL AND drift IS NULL;
CREATE INDEX host_named ON host(name, hardware_class);
)sql";

// The sources and the processor of a build: part of its identity, so the table is made anew.
constexpr std::string_view version_7 = R"sql(
CREATE TABLE build_by_source(
  id INTEGER PRIMARY KEY,
  toolchain INTEGER NOT NULL REFERENCES toolchain(id),
  git_sha TEXT NOT NULL,
  source_hash TEXT NOT NULL DEFAULT '',
  version TEXT NOT NULL,
  build_type TEXT NOT NULL,
  compiler TEXT NOT NULL,
  flags TEXT NOT NULL,
  processor TEXT NOT NULL DEFAULT '',
  has_mpi INTEGER NOT NULL,
  has_llama INTEGER NOT NULL,
  has_cuda INTEGER NOT NULL,
  UNIQUE (git_sha, source_hash, toolchain, version, build_type, compiler, flags, processor, has_mpi, has_llama, has_cuda)
) STRICT;
INSERT INTO build_by_source(id, toolchain, git_sha, version, build_type, compiler, flags, has_mpi, has_llama, has_cuda)
  SELECT id, toolchain, git_sha, version, build_type, compiler, flags, has_mpi, has_llama, has_cuda FROM build;
DROP TABLE build;
ALTER TABLE build_by_source RENAME TO build;
)sql";

// One build may be measured night after night.
constexpr std::string_view version_8 = R"sql(
ALTER TABLE campaign ADD COLUMN night TEXT;
)sql";

// The vector units of the processor on which kernels ran.
constexpr std::string_view version_9 = R"sql(
ALTER TABLE host ADD COLUMN vector_units TEXT;
)sql";

std::span<Migration const> all_steps() {
    static std::array const steps{Migration{1, version_1},
                                  Migration{2, version_2},
                                  Migration{3, version_3},
                                  Migration{4, version_4},
                                  Migration{5, version_5},
                                  Migration{6, gate_tables},
                                  Migration{7, version_7},
                                  Migration{8, version_8},
                                  Migration{9, version_9},
                                  Migration{10, summary_tables()},
                                  Migration{11, compared_figures_table()},
                                  Migration{12, sample_tables()}};
    return steps;
}

/// Columns of later versions over the tables of an older file, for a connection that may not write.
constexpr std::string_view build_as_of_version_7 =
    "CREATE TEMP VIEW build AS SELECT *, '' AS source_hash, '' AS processor FROM main.build";
constexpr std::string_view campaign_as_of_version_8 =
    "CREATE TEMP VIEW campaign AS SELECT *, NULL AS night FROM main.campaign";
constexpr std::string_view host_as_of_version_9 =
    "CREATE TEMP VIEW host AS SELECT *, NULL AS vector_units FROM main.host";

}  // namespace

std::span<Migration const> migrations() { return all_steps(); }

int schema_version() { return all_steps().back().version; }

namespace {

/// Views that exist for this connection alone and name columns that the file lacks; so is a view over one of them.
void drop_unusable_views(sqlite3* connection) {
    std::vector<std::string> names;
    for (Statement view(connection, "SELECT name FROM sqlite_temp_schema WHERE type = 'view'"); view.step();)
        names.push_back(view.text(0));
    auto const unusable = [&](std::string const& name) {
        sqlite3_stmt* handle = nullptr;
        auto const sql = fmt::format("SELECT * FROM temp.\"{}\"", name);
        bool const fails = sqlite3_prepare_v2(connection, sql.c_str(), -1, &handle, nullptr) != SQLITE_OK;
        Statement const statement(handle);
        return fails;
    };
    for (bool again = true; again;) {
        again = false;
        for (auto const& name : std::exchange(names, {})) {
            if (!unusable(name)) {
                names.push_back(name);
                continue;
            }
            execute(connection, fmt::format("DROP VIEW temp.\"{}\"", name));
            again = true;
        }
    }
}

}  // namespace

void renew_views(sqlite3* connection, bool read_only) {
    // The views as they are made here stand in a database of their own, so that texts can be compared.
    sqlite3* handle = nullptr;
    int const code = sqlite3_open(":memory:", &handle);
    Connection const scratch(handle);
    if (code != SQLITE_OK) throw_sqlite_error(handle, "opening a database in memory");
    execute(handle, std::string(views()));
    constexpr auto wanted = "SELECT name, sql FROM sqlite_schema WHERE type = 'view'";
    std::map<std::string, std::string> there;
    for (Statement view(connection, wanted); view.step();) there[view.text(0)] = view.text(1);
    std::string changes;
    for (Statement view(handle, wanted); view.step();) {
        auto const name = view.text(0);
        auto sql = view.text(1);
        auto const found = there.find(name);
        if (found != there.end() && found->second == sql) continue;
        if (read_only) {
            sql.insert(std::string_view("CREATE ").size(), "TEMP ");
        } else if (found != there.end()) {
            changes += fmt::format("DROP VIEW \"{}\";", name);
        }
        changes += sql + ";";
    }
    if (!changes.empty()) execute(connection, changes);
    if (read_only) drop_unusable_views(connection);
}

void read_as_current(sqlite3* connection, int version) {
    if (version < 7) execute(connection, std::string(build_as_of_version_7));
    if (version < 8) execute(connection, std::string(campaign_as_of_version_8));
    if (version < 9) execute(connection, std::string(host_as_of_version_9));
    if (version < 10) execute(connection, "CREATE TEMP VIEW outcome AS " + outcomes_sql("true"));
    if (version < 11) execute(connection, "CREATE TEMP VIEW compared_figures AS " + compared_figures_sql("true"));
    if (version <= schema_version()) renew_views(connection, true);
    if (version < 12) execute(connection, samples_as_of(version));  // instead of views that name missing columns
}

void migrate(sqlite3* connection, int from, std::span<Migration const> all) {
    std::string drop;
    Statement old_views(connection, "SELECT name FROM sqlite_schema WHERE type = 'view'");
    while (old_views.step()) drop += fmt::format("DROP VIEW \"{}\";", old_views.text(0));
    old_views.reset();
    execute(connection, drop);
    for (auto const& step : all)
        if (step.version > from) execute(connection, std::string(step.sql));
    execute(connection, std::string(views()));
    execute(connection,
            fmt::format("PRAGMA application_id = {}; PRAGMA user_version = {}", application_id, all.back().version));
}

}  // namespace kvstone
