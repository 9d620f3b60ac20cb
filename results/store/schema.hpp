#pragma once
// Tables and views of the database, their versions, and what every column means.

#include <span>
#include <string_view>

#include <sqlite3.h>

namespace kvstone {

/// "KVst", in the file's header: what tells a KVstone database from any other SQLite file.
inline constexpr int application_id = 0x4B567374;

/// SQL that takes a database from the version before to `version`. Once released, a migration never changes.
struct Migration {
    int version;
    std::string_view sql;
};
std::span<Migration const> migrations();

/// The version this build writes: that of the last migration.
int schema_version();

/// Runs the migrations that a database of `from` has not seen (0: an empty file) and makes the views anew. The caller
/// holds the transaction, and has switched foreign keys off: tables are made anew, and what refers to them stays.
void migrate(sqlite3* connection, int from, std::span<Migration const> steps);

/// What a table or view (column empty) or one of its columns holds.
struct Note {
    std::string_view table;
    std::string_view column;
    std::string_view text;
};
/// Of every table, view and column, in their order.
std::span<Note const> notes();
/// Its parts.
std::span<Note const> table_notes();
std::span<Note const> view_notes();

/// SQL that makes every view, v_notes included.
std::string_view views();
/// Its part that makes v_pareto.
std::string_view pareto_view();
/// Its part that makes v_environment and v_env_diff.
std::string_view environment_views();
/// Its part that makes v_history.
std::string_view history_view();

/// Makes the views that the file has not, or has as another build made them: in the file, or for this connection alone
/// where it only reads. A file of an older schema is for reading only, and keeps its own where it lacks a column for ours.
void renew_views(sqlite3* connection, bool read_only);

/// For a connection that only reads a file of `version`: the columns of `build` and the views as this build knows them, for
/// this connection alone.
void read_as_current(sqlite3* connection, int version);

}  // namespace kvstone
