#include "results/store/sqlite.hpp"

#include <cmath>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {

void throw_sqlite_error(sqlite3* connection, std::string_view doing) {
    int const code = sqlite3_errcode(connection) & 0xFF;
    char const* name = sqlite3_db_filename(connection, "main");
    auto const text = fmt::format("{}: {}: {}", name != nullptr ? name : "database", doing, sqlite3_errmsg(connection));
    switch (code) {
        case SQLITE_NOTADB:
        case SQLITE_ERROR:
        case SQLITE_AUTH:
            throw ConfigError(text);
        case SQLITE_READONLY:
            throw ConfigError(text + " (opened for reading, or its folder cannot be written)");
        case SQLITE_FULL:
            throw SystemError(text + "; nothing of this step was stored");
        default:
            throw SystemError(text);
    }
}

void execute(sqlite3* connection, std::string const& sql) {
    if (sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
        throw_sqlite_error(connection, "cannot run '" + sql.substr(0, sql.find('\n')) + "'");
}

void copy_pages(sqlite3* from, sqlite3* to, char const* name) {
    auto* const pages = sqlite3_backup_init(to, name, from, "main");
    if (pages == nullptr) throw_sqlite_error(to, "copying a database");
    int const code = sqlite3_backup_step(pages, -1);
    sqlite3_backup_finish(pages);  // leaves the error in the connection that is written to
    if (code != SQLITE_DONE) throw_sqlite_error(to, "copying a database");
}

Statement::Statement(sqlite3* connection, std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(connection, sql.data(), static_cast<int>(sql.size()), &statement, nullptr) != SQLITE_OK)
        throw_sqlite_error(connection, "cannot prepare a statement");
    handle_.reset(statement);
}

void Statement::bind(int index, std::nullptr_t) { sqlite3_bind_null(handle_.get(), index); }
void Statement::bind_integer(int index, std::int64_t value) { sqlite3_bind_int64(handle_.get(), index, value); }
void Statement::bind(int index, double value) {
    if (std::isfinite(value)) {
        sqlite3_bind_double(handle_.get(), index, value);
    } else {
        sqlite3_bind_null(handle_.get(), index);
    }
}
void Statement::bind(int index, std::string_view value) {
    // A null pointer would bind NULL where an empty text is meant.
    sqlite3_bind_text64(handle_.get(), index, value.empty() ? "" : value.data(), value.size(), SQLITE_STATIC,
                        SQLITE_UTF8);
}

bool Statement::step() {
    int const code = sqlite3_step(handle_.get());
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) {
        // Resetting keeps the error's words and lets a rollback through.
        sqlite3_reset(handle_.get());
        throw_sqlite_error(sqlite3_db_handle(handle_.get()), "a statement failed");
    }
    return false;
}

void Statement::reset() { sqlite3_reset(handle_.get()); }

std::string Statement::text(int column) const {
    auto const* bytes = reinterpret_cast<char const*>(sqlite3_column_text(handle_.get(), column));
    if (bytes == nullptr) return {};
    return {bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column))};
}

bool Statement::equals(int column, std::string_view text) const {
    auto const* bytes = reinterpret_cast<char const*>(sqlite3_column_text(handle_.get(), column));
    if (bytes == nullptr) return false;
    return text == std::string_view(bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column)));
}

Transaction::Transaction(sqlite3* connection) : connection_(connection) { execute(connection, "BEGIN IMMEDIATE"); }

Transaction::~Transaction() {
    // SQLite may have rolled back by itself (full disk); then there is nothing left to undo.
    if (connection_ != nullptr && sqlite3_get_autocommit(connection_) == 0)
        sqlite3_exec(connection_, "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
    execute(connection_, "COMMIT");
    connection_ = nullptr;
}

ReadTransaction::ReadTransaction(sqlite3* connection)
    : connection_(sqlite3_get_autocommit(connection) != 0 ? connection : nullptr) {
    if (connection_ != nullptr) execute(connection_, "BEGIN");
}

ReadTransaction::~ReadTransaction() {
    if (connection_ != nullptr) sqlite3_exec(connection_, "COMMIT", nullptr, nullptr, nullptr);
}

}  // namespace kvstone
