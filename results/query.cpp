#include "results/query.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <iterator>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "results/canned.hpp"
#include "results/sqlite.hpp"
#include "results/text.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t result_limit_bytes = std::size_t{1} << 29;
constexpr int value_limit_bytes = 100'000'000;

/// What reading needs and nothing else; ATTACH and VACUUM INTO would write from a connection that is read-only.
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

QueryResult list_canned() {
    QueryResult result{{"query", "what it tells"}, {}};
    for (auto const& canned : canned_queries())
        result.rows.push_back(
            {fmt::format("@{}{}{}", canned.name, canned.parameters.empty() ? "" : " ", canned.parameters),
             std::string(canned.description)});
    return result;
}

/// The canned query that "@NAME WORDS..." names, its words as parameters.
QueryResult run_canned(Store const& store, std::string const& text, std::vector<QueryValue> parameters,
                       double time_limit_s) {
    std::istringstream words(text.substr(1));
    std::string name;
    words >> name;
    for (std::string word; words >> word;) parameters.emplace_back(word);
    if (name == "list") return list_canned();
    std::vector<std::string> known{"list"};
    for (auto const& canned : canned_queries()) {
        known.emplace_back(canned.name);
        if (canned.name != name) continue;
        std::istringstream wanted{std::string(canned.parameters)};
        auto const count = static_cast<std::size_t>(std::distance(std::istream_iterator<std::string>(wanted), {}));
        if (parameters.size() != count)
            throw ConfigError(fmt::format("this query is asked as: @{} {}", name, canned.parameters), text);
        return query(store, std::string(canned.sql), parameters, time_limit_s);
    }
    throw ConfigError("no query has this name", name, known);
}

void bind(Statement& statement, std::vector<QueryValue> const& parameters) {
    auto const wanted = static_cast<std::size_t>(sqlite3_bind_parameter_count(statement.handle()));
    if (wanted != parameters.size())
        throw ConfigError(fmt::format("the statement has {} parameters, {} were given", wanted, parameters.size()));
    int index = 0;
    for (auto const& parameter : parameters) {
        ++index;
        std::visit([&](auto const& value) { statement.bind(index, value); }, parameter);
    }
}

}  // namespace

QueryResult query(Store const& store, std::string const& sql, std::vector<QueryValue> const& parameters,
                  double time_limit_s) {
    if (sql.starts_with('@')) return run_canned(store, sql, parameters, time_limit_s);
    auto* const connection = store.connection();
    Limits const limits(connection, time_limit_s);
    sqlite3_stmt* handle = nullptr;
    char const* rest = nullptr;
    if (sqlite3_prepare_v2(connection, sql.c_str(), static_cast<int>(sql.size()) + 1, &handle, &rest) != SQLITE_OK)
        throw ConfigError(fmt::format("the query is refused: {}", sqlite3_errmsg(connection)), sql);
    Statement statement(handle);
    if (handle == nullptr) throw ConfigError("the query is empty", sql);
    if (!blank(connection, rest)) throw ConfigError("one statement at a time; behind the first stands", rest);
    int const columns = sqlite3_column_count(handle);
    if (columns == 0 || sqlite3_stmt_readonly(handle) == 0) throw ConfigError("only statements that read are run", sql);
    bind(statement, parameters);
    QueryResult result;
    for (int i = 0; i < columns; ++i)
        result.columns.push_back(distinct(valid_utf8(sqlite3_column_name(handle, i)), result.columns));
    std::size_t total_bytes = 0;
    for (int code = sqlite3_step(handle); code != SQLITE_DONE; code = sqlite3_step(handle)) {
        if (code == SQLITE_INTERRUPT)
            throw ConfigError(fmt::format("the query ran past its time limit of {:g} s", time_limit_s), sql);
        if (code != SQLITE_ROW) throw ConfigError(fmt::format("the query failed: {}", sqlite3_errmsg(connection)), sql);
        std::vector<QueryValue> row;
        row.reserve(result.columns.size());
        for (int i = 0; i < columns; ++i) {
            row.push_back(value_of(handle, i));
            if (auto const* text = std::get_if<std::string>(&row.back())) total_bytes += text->size();
        }
        total_bytes += row.size() * sizeof(QueryValue);
        if (total_bytes > result_limit_bytes)
            throw ConfigError(fmt::format("the result is larger than {} MiB: narrow it", result_limit_bytes >> 20),
                              sql);
        result.rows.push_back(std::move(row));
    }
    return result;
}

}  // namespace kvstone
