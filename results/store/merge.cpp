#include <fmt/format.h>
#include <fmt/ranges.h>

#include "results/store/combine.hpp"
#include "results/store/hardware_class.hpp"
#include "results/store/maintenance.hpp"
#include "results/store/schema.hpp"
#include "results/store/sqlite.hpp"
#include "results/store/table_links.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

std::int64_t version_of(Store const& store) {
    Statement version(store.connection(), "PRAGMA user_version");
    version.step();
    return version.integer(0);
}

Store known(std::string const& file) {
    auto store = Store::open_read_only(file);
    auto const version = version_of(store);
    if (version > schema_version())
        throw ConfigError(fmt::format("the database has schema {}, this build knows {}", version, schema_version()),
                          file);
    return store;
}

/// A database without a name: SQLite removes its file as soon as it has opened it, so that no death leaves it behind.
Connection nameless() {
    sqlite3* handle = nullptr;
    int const code = sqlite3_open("", &handle);
    Connection connection(handle);
    if (code != SQLITE_OK) throw_sqlite_error(handle, "opening a temporary database");
    return connection;
}

/// A column of the other file's row `o` as this file would have it: numbers of rows through their map.
std::string translated(TableLinks const& table, std::string const& column) {
    auto const found = table.refers.find(column);
    if (found == table.refers.end()) return fmt::format("o.\"{}\"", column);
    return fmt::format("(SELECT here FROM temp.map_{} WHERE there = o.\"{}\")", found->second, column);
}

std::string joined(std::vector<std::string> const& parts, std::string_view between) {
    return fmt::format("{}", fmt::join(parts, between));
}

void copy_rows(sqlite3* connection, TableLinks const& table) {
    std::vector<std::string> columns;
    std::vector<std::string> values;
    for (auto const& column : table.columns) {
        columns.push_back(fmt::format("\"{}\"", column));
        values.push_back(translated(table, column));
    }
    std::vector<std::string> same;
    for (auto const& column : table.key)
        same.push_back(fmt::format("m.\"{}\" IS {}", column, translated(table, column)));
    auto const here = fmt::format("SELECT m.id FROM main.\"{}\" m WHERE {}", table.name, joined(same, " AND "));
    auto const insert = fmt::format("INSERT INTO main.\"{0}\"({1}) SELECT {2} FROM other.\"{0}\" o", table.name,
                                    joined(columns, ", "), joined(values, ", "));
    if (table.has_id) {
        execute(connection,
                fmt::format("CREATE TEMP TABLE fresh_{0} AS SELECT o.id AS there FROM other.\"{0}\" o WHERE NOT "
                            "EXISTS ({1})",
                            table.name, here));
        execute(connection,
                fmt::format("{} WHERE o.id IN (SELECT there FROM temp.fresh_{}) ORDER BY o.id", insert, table.name));
        execute(connection,
                fmt::format("CREATE TEMP TABLE map_{0}(there INTEGER PRIMARY KEY, here INTEGER); INSERT INTO "
                            "temp.map_{0} SELECT o.id, ({1}) FROM other.\"{0}\" o",
                            table.name, here));
        return;
    }
    // Rows of an attempt that is here already are here, too.
    auto const only = table.refers.contains("attempt") ? "o.attempt IN (SELECT there FROM temp.fresh_attempt)" : "true";
    execute(connection, fmt::format("{} WHERE {} ON CONFLICT DO NOTHING", insert, only));
}

/// Figures over several processes, anew for the cells that new attempts came to.
void combine_merged(sqlite3* connection) {
    Statement cell(
        connection,
        "SELECT DISTINCT a.campaign, a.cell FROM temp.fresh_attempt f JOIN temp.map_attempt p ON p.there = "
        "f.there JOIN main.attempt a ON a.id = p.here JOIN campaign c ON c.id = a.campaign JOIN plan ON plan.id "
        "= c.plan WHERE plan.processes > 1");
    while (cell.step()) combine_processes(connection, cell.integer(0), cell.integer(1));
}

std::int64_t count(sqlite3* connection, std::string const& table) {
    Statement statement(connection, "SELECT count(*) FROM temp.fresh_" + table);
    statement.step();
    return statement.integer(0);
}

/// A nameless database, attached as `other`. Detaches it at the end, and drops its temporary tables.
struct Attached {
    explicit Attached(sqlite3* of) : connection(of) { execute(connection, "ATTACH '' AS other"); }
    ~Attached() {
        std::string drop;
        for (auto const& table : read_table_links(connection))
            drop += fmt::format("DROP TABLE IF EXISTS temp.fresh_{0}; DROP TABLE IF EXISTS temp.map_{0};", table.name);
        sqlite3_exec(connection, (drop + "DETACH other").c_str(), nullptr, nullptr, nullptr);
    }
    Attached(Attached const&) = delete;
    Attached& operator=(Attached const&) = delete;
    sqlite3* connection;
};

/// Copies a database into `other` of a connection, in this build's schema.
void copy_migrated(Store const& file, sqlite3* connection) {
    auto const version = static_cast<int>(version_of(file));
    if (version == schema_version()) return copy_pages(file.connection(), connection, "other");
    auto const migrated = nameless();
    copy_pages(file.connection(), migrated.get());
    Transaction transaction(migrated.get());
    migrate(migrated.get(), version, migrations());
    transaction.commit();
    copy_pages(migrated.get(), connection, "other");
}

}  // namespace

Merged merge(Store& store, std::string const& file) {
    auto* const connection = store.connection();
    auto const other = known(file);
    Attached const attached(connection);
    copy_migrated(other, connection);
    Transaction transaction(connection);
    // Summaries follow from the rows: triggers keep the outcomes.
    for (auto const& table : read_table_links(connection))
        if (table.name != "combined" && table.name != "outcome") copy_rows(connection, table);
    combine_merged(connection);
    unify_hardware_classes(connection);
    Merged const merged{count(connection, "campaign"), count(connection, "attempt")};
    transaction.commit();
    return merged;
}

}  // namespace kvstone
