#pragma once
// SQLite's handles as values, and its result codes as this project's exceptions.

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace kvstone {

struct CloseConnection {
    void operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }
};
using Connection = std::unique_ptr<sqlite3, CloseConnection>;

/// Throws the exception for the connection's last error, naming its file: ConfigError for a file that is no database or
/// a statement that is wrong, SystemError for refusals of the machine (full disk, I/O, locks).
[[noreturn]] void throw_sqlite_error(sqlite3* connection, std::string_view doing);

/// Runs statements that return no rows.
void execute(sqlite3* connection, std::string const& sql);

/// Copies every page of a connection's main database into the database `name` of another connection. Throws as
/// throw_sqlite_error() does.
void copy_pages(sqlite3* from, sqlite3* to, char const* name = "main");

/// A prepared statement; parameters and columns count from 1 and 0, as in SQLite.
class Statement {
  public:
    Statement(sqlite3* connection, std::string_view sql);
    explicit Statement(sqlite3_stmt* prepared) : handle_(prepared) {}

    void bind(int index, std::nullptr_t);
    void bind(int index, std::integral auto value) { bind_integer(index, static_cast<std::int64_t>(value)); }
    /// Null where the value is not finite: SQLite has no NaN, and infinity does not survive an export.
    void bind(int index, double value);
    /// The text must stay alive until the statement is reset.
    void bind(int index, std::string_view value);
    void bind(int index, std::string const& value) { bind(index, std::string_view(value)); }
    void bind(int index, char const* value) { bind(index, std::string_view(value)); }
    template <class T>
    void bind(int index, std::optional<T> const& value) {
        value ? bind(index, *value) : bind(index, nullptr);
    }

    /// Binds all parameters in order, to be stepped through by the caller.
    template <class... Values>
    Statement& with(Values const&... values) {
        reset();
        int index = 0;
        (bind(++index, values), ...);
        return *this;
    }
    /// Binds all parameters in order and runs to the end.
    template <class... Values>
    void run(Values const&... values) {
        with(values...);
        while (step()) {
        }
        reset();
    }

    /// True where a row can be read.
    bool step();
    void reset();

    bool is_null(int column) const { return sqlite3_column_type(handle_.get(), column) == SQLITE_NULL; }
    std::int64_t integer(int column) const { return sqlite3_column_int64(handle_.get(), column); }
    double real(int column) const { return sqlite3_column_double(handle_.get(), column); }
    std::string text(int column) const;
    /// Whether a column has this text.
    bool equals(int column, std::string_view text) const;
    sqlite3_stmt* handle() const { return handle_.get(); }

  private:
    void bind_integer(int index, std::int64_t value);

    struct Finalize {
        void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
    };
    std::unique_ptr<sqlite3_stmt, Finalize> handle_;
};

/// BEGIN IMMEDIATE now; rolled back unless commit() was reached.
class Transaction {
  public:
    explicit Transaction(sqlite3* connection);
    ~Transaction();
    Transaction(Transaction const&) = delete;
    Transaction& operator=(Transaction const&) = delete;
    void commit();

  private:
    sqlite3* connection_;
};

/// While it lives, all that is read is of one instant, and SQLite does not lock the file again for each statement. Nothing
/// where a transaction has begun already.
class ReadTransaction {
  public:
    explicit ReadTransaction(sqlite3* connection);
    ~ReadTransaction();
    ReadTransaction(ReadTransaction const&) = delete;
    ReadTransaction& operator=(ReadTransaction const&) = delete;

  private:
    sqlite3* connection_;  ///< null: none was begun
};

}  // namespace kvstone
