#pragma once
// Reading the database: tables of values, formatted for people or programs.

#include <iosfwd>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "results/record/screen.hpp"
#include "results/store/store.hpp"

namespace kvstone {

using QueryValue = std::variant<std::nullptr_t, std::int64_t, double, std::string>;

struct QueryResult {
    std::vector<std::string> columns;
    std::vector<std::vector<QueryValue>> rows;
};

enum class TableFormat { table, csv, json, jsonl, md };
TableFormat table_format_named(std::string const& name);

/// Runs one reading statement under an authorizer (no writes, no ATTACH, no VACUUM INTO) and a time limit. "@NAME
/// WORDS..." in its place names a canned query and its parameters; @list shows them all. Throws ConfigError with
/// SQLite's words where the statement is refused or wrong, and where it exceeds its limit.
QueryResult query(Store const& store, std::string const& sql, std::vector<QueryValue> const& parameters = {},
                  double time_limit_s = 60);
/// Runs a canned query, "@NAME WORDS...", about one campaign: its id, or the beginning of it; empty: the one last run.
/// Throws as query(), and ConfigError where no campaign, or more than one, fits, or where the query is not about one
/// campaign.
QueryResult query_of_campaign(Store const& store, std::string const& canned, std::string const& campaign);
/// Writes the rows of a reading statement as CSV or JSON lines while they are read, so that any number of rows takes no
/// memory. There is no time limit. Throws as query(), and std::ios_base::failure where `out` throws it.
void print_rows(std::ostream& out, Store const& store, std::string const& sql,
                std::vector<QueryValue> const& parameters, TableFormat format);
/// table and md: numbers to the right, six significant digits, null as "-"; table: as TextTable has it. csv (RFC 4180, lines ending in LF), json
/// and jsonl: every digit; null is empty, or null.
void print(std::ostream& out, QueryResult const& result, TableFormat format, Screen const& screen = {});
/// The table without two kinds of columns: those that are null in all rows and, where there are several rows, those
/// that have one value in all of them, unless they are `kept`. `said` becomes a sentence with these values, or empty.
QueryResult said_once(QueryResult result, std::vector<std::string> const& kept, std::string& said);

}  // namespace kvstone
