#pragma once
// Tables and views of the database, their versions, and the meaning of every column.

#include <span>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace kvstone {

/// "KVst", in the file's header: it marks a KVstone database among SQLite files.
inline constexpr int application_id = 0x4B567374;

/// SQL that takes a database to `version` from the one before. A released migration never changes.
struct Migration {
    int version;
    std::string_view sql;
};
std::span<Migration const> migrations();

/// The version this build writes: that of the last migration.
int schema_version();

/// Runs the migrations that a database of version `from` lacks (0: an empty file) and replaces the views. The caller
/// holds the transaction, and has switched foreign keys off: tables are replaced, and rows that refer to them stay.
void migrate(sqlite3* connection, int from, std::span<Migration const> steps);

/// The meaning of a table or view (column empty), or of one of its columns.
struct Note {
    std::string_view table;
    std::string_view column;
    std::string_view text;
};
/// Notes on every table, view and column, in their order.
std::span<Note const> notes();
/// The notes on tables.
std::span<Note const> table_notes();
std::span<Note const> view_notes();

/// SQL that makes every view, v_notes included.
std::string_view views();
/// SQL for the process that a codec's times are of: 'attempt', the attempt's own; 'command', another one; 'declared', none.
/// `codec` is SQL for its canonical text.
std::string times_of_sql(std::string const& codec);

/// The part that makes v_pareto and v_pareto_total.
std::string pareto_views();
/// A statement with the rows and columns of v_pareto, for the campaigns `c` that meet a condition. The view itself finds
/// all codecs' rivals, whichever campaign is asked for.
std::string pareto_sql(std::string_view condition);
std::string pareto_total_sql(std::string_view condition);  ///< likewise of v_pareto_total
/// SQL for a cell's source without the model's weights, as JSON: equal for weights that are compared with one reference model.
/// `source` is SQL for the source of a cell of a model.
std::string reference_source_sql(std::string_view source);
/// The part that makes v_environment and v_env_diff.
std::string_view environment_views();
/// The part that makes v_history.
std::string_view history_view();

/// Makes the views that the file lacks, or has from another build: in the file, or for this connection alone where it
/// only reads. A file of an older schema is for reading only; it keeps its own view where it lacks a column for ours.
void renew_views(sqlite3* connection, bool read_only);

/// For a connection that only reads a file of `version`: makes the columns of `build` and `campaign` and the views of this
/// build, for this connection alone.
void read_as_current(sqlite3* connection, int version);

}  // namespace kvstone
