#include "results/store/summary_schema.hpp"

#include <fmt/format.h>

namespace kvstone {
namespace {

// Triggers keep outcomes, so that they follow every change of attempts: of a run, of a merge, of a tool that knows nothing
// of them. No row refers to `outcome`, and it names no other table: deleting an attempt would look for it in all rows.
constexpr std::string_view outcome_table = R"sql(
CREATE TABLE outcome(
  campaign INTEGER NOT NULL,
  cell INTEGER NOT NULL,
  position INTEGER NOT NULL,
  processes INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  status TEXT NOT NULL,
  PRIMARY KEY (campaign, cell)
) STRICT, WITHOUT ROWID;
)sql";

// A row a sample would cost 14 bytes beside its value: most of them say which attempt, metric and component it is of.
constexpr std::string_view sample_table = R"sql(
CREATE TABLE sample_block(
  attempt INTEGER NOT NULL REFERENCES attempt(id),
  metric INTEGER NOT NULL REFERENCES metric(id),
  component TEXT NOT NULL,
  block INTEGER NOT NULL,
  n INTEGER NOT NULL CHECK (n BETWEEN 1 AND 8),
  value_0 REAL,
  value_1 REAL,
  value_2 REAL,
  value_3 REAL,
  value_4 REAL,
  value_5 REAL,
  value_6 REAL,
  value_7 REAL,
  PRIMARY KEY (attempt, metric, component, block)
) STRICT, WITHOUT ROWID;
INSERT INTO sample_block
SELECT attempt, metric, component, position / 8, max(position % 8) + 1, max(iif(position % 8 = 0, value, NULL)),
  max(iif(position % 8 = 1, value, NULL)), max(iif(position % 8 = 2, value, NULL)),
  max(iif(position % 8 = 3, value, NULL)), max(iif(position % 8 = 4, value, NULL)),
  max(iif(position % 8 = 5, value, NULL)), max(iif(position % 8 = 6, value, NULL)),
  max(iif(position % 8 = 7, value, NULL))
FROM sample GROUP BY attempt, metric, component, position / 8;
DROP TABLE sample;
-- An attempt deleted by hand, with any tool, takes along what hangs on it.
DROP TRIGGER attempt_deleted;
CREATE TRIGGER attempt_deleted BEFORE DELETE ON attempt BEGIN
  DELETE FROM figure WHERE attempt = old.id;
  DELETE FROM sample_block WHERE attempt = old.id;
  DELETE FROM profile WHERE attempt = old.id;
  DELETE FROM combined WHERE campaign = old.campaign AND cell = old.cell;
END;
)sql";

/// A trigger that finds the outcome of a row's cell anew.
std::string trigger(std::string_view name, std::string_view event, std::string_view row) {
    auto const of_cell = [&](std::string_view table) {
        return fmt::format("{0}campaign = {1}.campaign AND {0}cell = {1}.cell", table, row);
    };
    return fmt::format(
        "CREATE TRIGGER {} AFTER {} ON attempt BEGIN\nDELETE FROM outcome WHERE {};\nINSERT INTO outcome {};\nEND;\n",
        name, event, of_cell(""), outcomes_sql(of_cell("e.")));
}

}  // namespace

std::string outcomes_sql(std::string_view condition) {
    // max() picks the row that the bare columns beside it come from: the newest attempt that failed, else the newest. Of
    // two that ended at once the name decides, which is the same in every file.
    return fmt::format(R"sql(SELECT campaign, cell, position, processes, attempt, status FROM (
  SELECT c.campaign, c.cell, c.position, count(*) AS processes, a.id AS attempt, a.status,
    max((a.status <> 'ok') || a.finished_utc || a.uid) AS newest
  FROM (SELECT e.campaign, e.cell, e.position, (SELECT b.id FROM attempt b
      WHERE b.campaign = e.campaign AND b.cell = e.cell AND b.process = e.process
      ORDER BY b.stands DESC, b.finished_utc DESC, b.id DESC LIMIT 1) AS attempt
    FROM expected e WHERE {}) c
  LEFT JOIN attempt a ON a.id = c.attempt
  GROUP BY c.campaign, c.cell
  HAVING count(a.id) = count(*) OR sum(a.status <> 'ok') > 0))sql",
                       condition);
}

std::string_view summary_tables() {
    constexpr std::string_view changes = "UPDATE OF id, uid, campaign, cell, process, status, finished_utc";
    static std::string const sql = std::string(outcome_table) + "INSERT INTO outcome " + outcomes_sql("true") + ";\n" +
                                   trigger("outcome_of_stored", "INSERT", "new") +
                                   trigger("outcome_of_deleted", "DELETE", "old") +
                                   trigger("outcome_of_changed", changes, "new") +
                                   trigger("outcome_before_change", changes, "old") + std::string(sample_table);
    return sql;
}

}  // namespace kvstone
