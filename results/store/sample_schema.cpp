#include "results/store/sample_schema.hpp"

#include <fmt/format.h>

#include "results/store/summary_schema.hpp"

namespace kvstone {
namespace {

// A row's key and header cost some 17 bytes beside its samples, an unused value one, and SQLite leaves an eighth of the pages
// empty. With the metric and component in `series`, no stored count, and at most five values, three doubles take less than
// 16 bytes each on disk. With six it would be more.
constexpr std::string_view new_tables = R"sql(
CREATE TABLE series(
  id INTEGER PRIMARY KEY,
  metric INTEGER NOT NULL REFERENCES metric(id),
  component TEXT NOT NULL,
  UNIQUE (metric, component)
) STRICT;
INSERT INTO series(metric, component) SELECT DISTINCT metric, component FROM sample_block ORDER BY metric, component;
ALTER TABLE sample_block RENAME TO sample_eights;
CREATE TABLE sample_block(
  attempt INTEGER NOT NULL REFERENCES attempt(id),
  series INTEGER NOT NULL REFERENCES series(id),
  last_position INTEGER NOT NULL,
  n INTEGER NOT NULL GENERATED ALWAYS AS (last_position % 5 + 1) VIRTUAL,
  value_0 REAL,
  value_1 REAL,
  value_2 REAL,
  value_3 REAL,
  value_4 REAL,
  PRIMARY KEY (attempt, series, last_position)
) STRICT, WITHOUT ROWID;
INSERT INTO sample_block
SELECT e.attempt, s.id, max(e.position), max(iif(e.position % 5 = 0, e.value, NULL)),
  max(iif(e.position % 5 = 1, e.value, NULL)), max(iif(e.position % 5 = 2, e.value, NULL)),
  max(iif(e.position % 5 = 3, e.value, NULL)), max(iif(e.position % 5 = 4, e.value, NULL))
FROM ()sql";
constexpr std::string_view after_rows = R"sql() e
CROSS JOIN series s ON s.metric = e.metric AND s.component = e.component
GROUP BY e.attempt, s.id, e.position / 5;
DROP TRIGGER attempt_deleted;
DROP TABLE sample_eights;
-- An attempt deleted by hand, with any tool, takes along what hangs on it.
CREATE TRIGGER attempt_deleted BEFORE DELETE ON attempt BEGIN
  DELETE FROM figure WHERE attempt = old.id;
  DELETE FROM compared_figures WHERE attempt = old.id;
  DELETE FROM sample_block WHERE attempt = old.id;
  DELETE FROM profile WHERE attempt = old.id;
  DELETE FROM combined WHERE campaign = old.campaign AND cell = old.cell;
END;
)sql";

/// One by one, of a table of versions 10 and 11.
std::string samples_of_eights(std::string_view table) {
    return fmt::format(
        "SELECT b.attempt, b.metric, b.component, {} * b.block + p.i AS position, CASE p.i WHEN 0 THEN b.value_0 "
        "WHEN 1 THEN b.value_1 WHEN 2 THEN b.value_2 WHEN 3 THEN b.value_3 WHEN 4 THEN b.value_4 WHEN 5 THEN "
        "b.value_5 WHEN 6 THEN b.value_6 ELSE b.value_7 END AS value FROM {} b CROSS JOIN (SELECT 0 AS i UNION ALL "
        "VALUES (1), (2), (3), (4), (5), (6), (7)) p WHERE p.i < b.n",
        samples_a_block, table);
}

}  // namespace

std::string_view sample_tables() {
    static std::string const sql =
        std::string(new_tables) + samples_of_eights("sample_eights") + std::string(after_rows);
    return sql;
}

std::string samples_as_of(int version) {
    std::string const counts = "CREATE TEMP VIEW sample_count AS SELECT attempt, metric, component, ";
    if (version < 10) return counts + "1 AS n FROM main.sample;";
    return counts + "n FROM main.sample_block; CREATE TEMP VIEW sample AS " + samples_of_eights("main.sample_block");
}

}  // namespace kvstone
