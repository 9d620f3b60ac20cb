// Results of queries as text.

#include <algorithm>
#include <cmath>
#include <ostream>
#include <stdexcept>

#include <fmt/format.h>

#include "results/query/query.hpp"
#include "results/query/reading.hpp"
#include "results/record/text.hpp"
#include "results/record/text_table.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

bool is_number(QueryValue const& value) {
    return std::holds_alternative<std::int64_t>(value) || std::holds_alternative<double>(value);
}

/// One line, and nothing that a terminal would take as a command.
std::string without_control(std::string const& text) {
    std::string result;
    for (char const c : text) {
        if (c == '\n') {
            result += "\\n";
        } else if (c == '\t') {
            result += "\\t";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
            result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
            result += c;
        }
    }
    return result;
}

std::string for_people(QueryValue const& value) {
    if (auto const* integer = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *integer);
    if (auto const* real = std::get_if<double>(&value)) return fmt::format("{:.6g}", *real);
    if (auto const* text = std::get_if<std::string>(&value)) return without_control(*text);
    return "-";
}

std::string for_csv(QueryValue const& value) {
    if (auto const* integer = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *integer);
    if (auto const* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
    if (std::holds_alternative<std::nullptr_t>(value)) return {};
    auto const& text = std::get<std::string>(value);
    if (!text.empty() && text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string quoted = "\"";  // an empty text is "", null is nothing
    for (char const c : text) quoted.append(c == '"' ? 2 : 1, c);
    return quoted + "\"";
}

nlohmann::ordered_json for_json(QueryValue const& value) {
    if (auto const* integer = std::get_if<std::int64_t>(&value)) return *integer;
    if (auto const* real = std::get_if<double>(&value))
        return std::isfinite(*real) ? nlohmann::ordered_json(*real) : nlohmann::ordered_json(nullptr);
    if (auto const* text = std::get_if<std::string>(&value)) return *text;
    return nullptr;
}

std::string json_row(std::vector<std::string> const& columns, std::vector<QueryValue> const& row) {
    auto object = nlohmann::ordered_json::object();
    for (std::size_t i = 0; i < row.size(); ++i) object[columns[i]] = for_json(row[i]);
    return object.dump();
}

void print_json(std::ostream& out, QueryResult const& result) {
    out << "[";
    for (std::size_t i = 0; i < result.rows.size(); ++i)
        out << (i == 0 ? "\n" : ",\n") << json_row(result.columns, result.rows[i]);
    out << (result.rows.empty() ? "]\n" : "\n]\n");
}

void print_csv_line(std::ostream& out, auto const& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) out << (i == 0 ? "" : ",") << for_csv(cells[i]);
    out << "\n";
}

void print_csv(std::ostream& out, QueryResult const& result) {
    print_csv_line(out, result.columns);
    for (auto const& row : result.rows) print_csv_line(out, row);
}

/// Which columns hold numbers, or nothing, alone.
std::vector<bool> numeric_columns(QueryResult const& result) {
    std::vector<bool> numeric(result.columns.size(), !result.rows.empty());
    for (auto const& row : result.rows)
        for (std::size_t i = 0; i < row.size(); ++i)
            numeric[i] = numeric[i] && (is_number(row[i]) || std::holds_alternative<std::nullptr_t>(row[i]));
    return numeric;
}

void print_table(std::ostream& out, QueryResult const& result, Screen const& screen) {
    auto const numeric = numeric_columns(result);
    std::vector<TextTable::Column> columns;
    for (std::size_t i = 0; i < numeric.size(); ++i)
        columns.push_back({without_control(result.columns[i]), numeric[i]});
    TextTable table(std::move(columns));
    for (auto const& row : result.rows) {
        std::vector<std::string> cells;
        for (auto const& value : row) cells.push_back(for_people(value));
        table.add(std::move(cells));
    }
    table.print(out, screen);
}

std::string escaped(std::string const& text) {
    std::string result;
    for (char const c : text) result.append(c == '|' ? "\\|" : std::string(1, c));
    return result;
}

void print_markdown(std::ostream& out, QueryResult const& result) {
    auto const numeric = numeric_columns(result);
    std::vector<std::vector<std::string>> lines(1);
    for (auto const& name : result.columns) lines[0].push_back(escaped(name));
    for (auto const& row : result.rows) {
        auto& line = lines.emplace_back();
        for (auto const& value : row) line.push_back(escaped(for_people(value)));
    }
    std::vector<std::size_t> widths(numeric.size(), 3);
    for (auto const& line : lines)
        for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], display_width(line[i]));
    auto const print_line = [&](std::vector<std::string> const& cells) {
        out << "|";
        for (std::size_t i = 0; i < cells.size(); ++i) {
            std::string const space(widths[i] - display_width(cells[i]), ' ');
            out << " " << (numeric[i] ? space + cells[i] : cells[i] + space) << " |";
        }
        out << "\n";
    };
    print_line(lines[0]);
    out << "|";
    for (std::size_t i = 0; i < widths.size(); ++i)
        out << " " << std::string(widths[i] - 1, '-') << (numeric[i] ? ":" : "-") << " |";
    out << "\n";
    for (std::size_t i = 1; i < lines.size(); ++i) print_line(lines[i]);
}

}  // namespace

TableFormat table_format_named(std::string const& name) {
    if (name == "table") return TableFormat::table;
    if (name == "csv") return TableFormat::csv;
    if (name == "json") return TableFormat::json;
    if (name == "jsonl") return TableFormat::jsonl;
    if (name == "md") return TableFormat::md;
    throw ConfigError("unknown format", name, {"table", "csv", "json", "jsonl", "md"});
}

void print(std::ostream& out, QueryResult const& result, TableFormat format, Screen const& screen) {
    switch (format) {
        case TableFormat::table:
            return print_table(out, result, screen);
        case TableFormat::csv:
            return print_csv(out, result);
        case TableFormat::json:
            return print_json(out, result);
        case TableFormat::md:
            return print_markdown(out, result);
        case TableFormat::jsonl:
            for (auto const& row : result.rows) out << json_row(result.columns, row) << "\n";
    }
}

QueryResult said_once(QueryResult result, std::vector<std::string> const& kept, std::string& said) {
    QueryResult table;
    std::vector<std::size_t> shown;
    std::string equal;
    for (std::size_t i = 0; i < result.columns.size(); ++i) {
        auto const same = [&](auto const& row) { return row[i] == result.rows.front()[i]; };
        bool const in_all = !result.rows.empty() && std::ranges::all_of(result.rows, same);
        bool const none = in_all && std::holds_alternative<std::nullptr_t>(result.rows.front()[i]);
        if (!none && (!in_all || result.rows.size() == 1 || std::ranges::find(kept, result.columns[i]) != kept.end())) {
            shown.push_back(i);
            table.columns.push_back(result.columns[i]);
        } else if (!none) {
            equal += fmt::format("{}{} {}", equal.empty() ? "" : ", ", result.columns[i],
                                 for_people(result.rows.front()[i]));
        }
    }
    table.rows.reserve(result.rows.size());
    for (auto& row : result.rows) {
        auto& line = table.rows.emplace_back();
        line.reserve(shown.size());
        for (auto const i : shown) line.push_back(std::move(row[i]));
    }
    said = equal.empty() ? "" : fmt::format("In all {} rows: {}.", result.rows.size(), equal);
    return table;
}

void print_rows(std::ostream& out, Store const& store, std::string const& sql,
                std::vector<QueryValue> const& parameters, TableFormat format) {
    if (format != TableFormat::csv && format != TableFormat::jsonl)
        throw std::logic_error("only CSV and JSON lines are written row by row");
    Reading reading(store, sql, unlimited_s);
    reading.bind(parameters);
    if (format == TableFormat::csv) print_csv_line(out, reading.columns());
    for (std::vector<QueryValue> row; reading.next(row);) {
        if (format == TableFormat::csv)
            print_csv_line(out, row);
        else
            out << json_row(reading.columns(), row) << "\n";
    }
}

}  // namespace kvstone
