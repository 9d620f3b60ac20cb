#include "results/query/reading.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <string_view>

#include <fmt/format.h>

#include "results/record/text.hpp"
#include "results/store/sqlite.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int value_limit_bytes = 100'000'000;

/// SQLite makes a table function when it is first named, and 3.40 asks the authorizer as if a table were made: those
/// that a reader may want are made before.
void make_table_functions(sqlite3* connection) {
    for (auto const* name : {"json_each", "json_tree", "pragma_table_info", "pragma_table_xinfo", "pragma_table_list",
                             "pragma_index_list", "pragma_index_info", "pragma_foreign_key_list"}) {
        sqlite3_stmt* statement = nullptr;
        sqlite3_prepare_v2(connection, fmt::format("SELECT 1 FROM {}", name).c_str(), -1, &statement, nullptr);
        sqlite3_finalize(statement);
    }
}

/// The actions that reading needs, and no others; ATTACH and VACUUM INTO would write from a connection that is
/// read-only.
int authorize(void*, int action, char const* first, char const* second, char const*, char const*) {
    static constexpr std::array<std::string_view, 3> refused_functions{"load_extension", "fts3_tokenizer", "writefile"};
    static constexpr std::array<std::string_view, 6> schema_pragmas{"table_info", "table_xinfo", "table_list",
                                                                    "index_list", "index_info",  "foreign_key_list"};
    static constexpr std::array<std::string_view, 2> header_pragmas{"user_version", "application_id"};
    auto const among = [](auto const& names, char const* name) {
        return name != nullptr && std::find(names.begin(), names.end(), std::string_view(name)) != names.end();
    };
    switch (action) {
        case SQLITE_SELECT:
        case SQLITE_READ:
        case SQLITE_RECURSIVE:
            return SQLITE_OK;
        case SQLITE_FUNCTION:
            return among(refused_functions, second) ? SQLITE_DENY : SQLITE_OK;
        case SQLITE_PRAGMA: {
            bool const about_schema = among(schema_pragmas, first);
            bool const asks = among(header_pragmas, first) && second == nullptr;  // with an argument it would set
            return about_schema || asks ? SQLITE_OK : SQLITE_DENY;
        }
        default:
            return SQLITE_DENY;
    }
}

int past_deadline(void* deadline) { return Clock::now() > *static_cast<Clock::time_point*>(deadline) ? 1 : 0; }

/// Limits of one query; the connection may be a writer's, which has its freedom back afterwards.
class Limits {
  public:
    Limits(sqlite3* connection, double time_limit_s)
        : connection_(connection),
          deadline_(Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                       std::chrono::duration<double>(std::clamp(time_limit_s, 0.0, 1e8)))),
          length_(sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, value_limit_bytes)) {
        make_table_functions(connection_);
        sqlite3_set_authorizer(connection_, authorize, nullptr);
        sqlite3_progress_handler(connection_, 1000, past_deadline, &deadline_);
    }
    ~Limits() {
        sqlite3_set_authorizer(connection_, nullptr, nullptr);
        sqlite3_progress_handler(connection_, 0, nullptr, nullptr);
        sqlite3_limit(connection_, SQLITE_LIMIT_LENGTH, length_);
    }
    Limits(Limits const&) = delete;
    Limits& operator=(Limits const&) = delete;

  private:
    sqlite3* connection_;
    Clock::time_point deadline_;
    int length_;
};

QueryValue value_of(sqlite3_stmt* statement, int column) {
    auto const bytes = [&] { return static_cast<std::size_t>(sqlite3_column_bytes(statement, column)); };
    switch (sqlite3_column_type(statement, column)) {
        case SQLITE_INTEGER:
            return std::int64_t{sqlite3_column_int64(statement, column)};
        case SQLITE_FLOAT:
            return sqlite3_column_double(statement, column);
        case SQLITE_TEXT: {
            auto const* text = reinterpret_cast<char const*>(sqlite3_column_text(statement, column));
            return valid_utf8({text, bytes()});
        }
        case SQLITE_BLOB: {
            auto const* data = static_cast<unsigned char const*>(sqlite3_column_blob(statement, column));
            std::string hex;
            for (std::size_t i = 0; i < bytes(); ++i) hex += fmt::format("{:02x}", data[i]);
            return hex;
        }
        default:
            return nullptr;
    }
}

/// True where SQLite finds nothing but spaces, comments and semicolons.
bool blank(sqlite3* connection, char const* sql) {
    while (*sql != '\0') {
        sqlite3_stmt* handle = nullptr;
        int const code = sqlite3_prepare_v2(connection, sql, -1, &handle, &sql);
        Statement const statement(handle);
        if (code != SQLITE_OK || handle != nullptr) return false;
    }
    return true;
}

/// Two columns of one name would be one member of a JSON object.
std::string distinct(std::string const& name, std::vector<std::string> const& taken) {
    std::string result = name;
    for (int i = 1; std::find(taken.begin(), taken.end(), result) != taken.end(); ++i)
        result = fmt::format("{}:{}", name, i);
    return result;
}

}  // namespace

struct Reading::Parts {
    Parts(sqlite3* on, double time_limit_s) : connection(on), limits(on, time_limit_s), statement(nullptr) {}
    sqlite3* connection;
    Limits limits;
    Statement statement;
};

Reading::Reading(Store const& store, std::string sql, double time_limit_s)
    : sql_(std::move(sql)),
      time_limit_s_(time_limit_s),
      parts_(std::make_unique<Parts>(store.connection(), time_limit_s)) {
    auto* const connection = parts_->connection;
    sqlite3_stmt* handle = nullptr;
    char const* rest = nullptr;
    if (sqlite3_prepare_v2(connection, sql_.c_str(), static_cast<int>(sql_.size()) + 1, &handle, &rest) != SQLITE_OK)
        throw ConfigError(fmt::format("the query is refused: {}", sqlite3_errmsg(connection)), sql_);
    parts_->statement = Statement(handle);
    if (handle == nullptr) throw ConfigError("the query is empty", sql_);
    if (!blank(connection, rest)) throw ConfigError("one statement at a time; behind the first stands", rest);
    int const count = sqlite3_column_count(handle);
    if (count == 0 || sqlite3_stmt_readonly(handle) == 0) throw ConfigError("only statements that read are run", sql_);
    for (int i = 0; i < count; ++i) columns_.push_back(distinct(valid_utf8(sqlite3_column_name(handle, i)), columns_));
}

Reading::~Reading() = default;

void Reading::bind(std::vector<QueryValue> const& parameters) {
    auto const wanted = static_cast<std::size_t>(sqlite3_bind_parameter_count(parts_->statement.handle()));
    if (wanted != parameters.size())
        throw ConfigError(fmt::format("the statement has {} parameters, {} were given", wanted, parameters.size()));
    for (std::size_t i = 0; i < parameters.size(); ++i) bind(static_cast<int>(i) + 1, parameters[i]);
}

bool Reading::bind(std::string const& name, QueryValue const& value) {
    int const index = sqlite3_bind_parameter_index(parts_->statement.handle(), (":" + name).c_str());
    if (index > 0) bind(index, value);
    return index > 0;
}

void Reading::bind(int index, QueryValue const& value) {
    bound_.push_back(value);
    std::visit([&](auto const& one) { parts_->statement.bind(index, one); }, bound_.back());
}

bool Reading::next(std::vector<QueryValue>& row) {
    auto* const handle = parts_->statement.handle();
    int const code = sqlite3_step(handle);
    if (code == SQLITE_DONE) return false;
    if (code == SQLITE_INTERRUPT)
        throw ConfigError(fmt::format("the query ran past its time limit of {:g} s", time_limit_s_), sql_);
    if (code != SQLITE_ROW)
        throw ConfigError(fmt::format("the query failed: {}", sqlite3_errmsg(parts_->connection)), sql_);
    row.clear();
    row.reserve(columns_.size());
    for (int i = 0; i < static_cast<int>(columns_.size()); ++i) row.push_back(value_of(handle, i));
    return true;
}

}  // namespace kvstone
