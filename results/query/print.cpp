// Results of queries as text.

#include <algorithm>
#include <cmath>
#include <ostream>
#include <stdexcept>

#include <fmt/format.h>

#include "results/query/query.hpp"
#include "results/query/reading.hpp"
#include "results/record/text.hpp"
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

/// Cells as text, their widths, and which columns hold numbers.
struct Layout {
    explicit Layout(QueryResult const& result, bool markdown) {
        for (auto const& name : result.columns) {
            header.push_back(markdown ? escaped(name) : without_control(name));
            widths.push_back(std::max<std::size_t>(display_width(header.back()), markdown ? 3 : 1));
        }
        numeric.assign(header.size(), !result.rows.empty());
        for (auto const& row : result.rows) {
            auto& line = lines.emplace_back();
            for (std::size_t i = 0; i < row.size(); ++i) {
                line.push_back(markdown ? escaped(for_people(row[i])) : for_people(row[i]));
                widths[i] = std::max(widths[i], display_width(line.back()));
                numeric[i] = numeric[i] && (is_number(row[i]) || std::holds_alternative<std::nullptr_t>(row[i]));
            }
        }
    }
    static std::string escaped(std::string const& text) {
        std::string result;
        for (char const c : text) result.append(c == '|' ? "\\|" : std::string(1, c));
        return result;
    }
    std::string padded(std::string const& text, std::size_t column, bool last) const {
        std::string const space(widths[column] - display_width(text), ' ');
        if (numeric[column]) return space + text;
        return last ? text : text + space;
    }

    std::vector<std::string> header;
    std::vector<std::vector<std::string>> lines;
    std::vector<std::size_t> widths;
    std::vector<bool> numeric;
};

void print_table(std::ostream& out, QueryResult const& result, bool colour) {
    Layout const layout(result, false);
    auto const line = [&](std::vector<std::string> const& cells) {
        std::string text;
        for (std::size_t i = 0; i < cells.size(); ++i)
            text += (i == 0 ? "" : "  ") + layout.padded(cells[i], i, i + 1 == cells.size());
        return text;
    };
    out << (colour ? "\x1b[1m" : "") << line(layout.header) << (colour ? "\x1b[0m" : "") << "\n";
    for (auto const& cells : layout.lines) out << line(cells) << "\n";
}

void print_markdown(std::ostream& out, QueryResult const& result) {
    Layout const layout(result, true);
    auto const line = [&](std::vector<std::string> const& cells) {
        out << "|";
        for (std::size_t i = 0; i < cells.size(); ++i) out << " " << layout.padded(cells[i], i, false) << " |";
        out << "\n";
    };
    line(layout.header);
    out << "|";
    for (std::size_t i = 0; i < layout.widths.size(); ++i)
        out << " " << std::string(layout.widths[i] - 1, '-') << (layout.numeric[i] ? ":" : "-") << " |";
    out << "\n";
    for (auto const& cells : layout.lines) line(cells);
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

void print(std::ostream& out, QueryResult const& result, TableFormat format, bool colour) {
    switch (format) {
        case TableFormat::table:
            return print_table(out, result, colour);
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
