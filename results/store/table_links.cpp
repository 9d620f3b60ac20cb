#include "results/store/table_links.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>
#include <tuple>

#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

/// Foreign keys by table and column: the table and column they name.
using Links = std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>>;

/// The table whose `id` a column holds, through other tables' columns where need be; empty: none.
std::string holds_id_of(Links const& links, std::string table, std::string column) {
    for (auto found = links.find({table, column}); found != links.end(); found = links.find({table, column})) {
        std::tie(table, column) = found->second;
        if (column == "id") return table;
    }
    return "";
}

void read_columns(sqlite3* connection, TableLinks& table) {
    Statement column(connection, "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid");
    column.with(table.name);
    while (column.step()) {
        if (column.text(0) == "id")
            table.has_id = true;
        else
            table.columns.push_back(column.text(0));
    }
    table.key = table.columns;
    Statement index(connection,
                    "SELECT l.name FROM pragma_index_list(?) l WHERE l.\"unique\" ORDER BY (SELECT count(*) FROM "
                    "pragma_index_info(l.name)) LIMIT 1");
    if (!index.with(table.name).step()) return;
    auto const smallest = index.text(0);
    table.key.clear();
    Statement part(connection, "SELECT name FROM pragma_index_info(?)");
    part.with(smallest);
    while (part.step()) table.key.push_back(part.text(0));
}

/// Those that are referred to first; among equals in the order in which they were made.
std::vector<TableLinks> in_order(std::vector<TableLinks> tables, Links const& links) {
    std::vector<TableLinks> ordered;
    std::set<std::string> placed;
    auto const waits = [&](TableLinks const& table) {
        return std::ranges::any_of(links, [&](auto const& link) {
            auto const& [from, to] = link;
            return from.first == table.name && to.first != table.name && !placed.contains(to.first);
        });
    };
    while (!tables.empty()) {
        auto const next = std::ranges::find_if_not(tables, waits);
        if (next == tables.end()) throw std::logic_error("tables refer to each other in a circle");
        placed.insert(next->name);
        ordered.push_back(std::move(*next));
        tables.erase(next);
    }
    return ordered;
}

}  // namespace

std::vector<TableLinks> read_table_links(sqlite3* connection) {
    std::vector<TableLinks> tables;
    Links links;
    Statement table(
        connection,
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY rowid");
    while (table.step()) {
        tables.push_back({table.text(0), {}, false, {}, {}});
        read_columns(connection, tables.back());
        Statement link(connection,
                       "SELECT \"from\", \"table\", coalesce(\"to\", 'id') FROM pragma_foreign_key_list(?)");
        link.with(tables.back().name);
        while (link.step()) links[{tables.back().name, link.text(0)}] = {link.text(1), link.text(2)};
    }
    for (auto& of : tables)
        for (auto const& column : of.columns)
            if (auto const other = holds_id_of(links, of.name, column); !other.empty()) of.refers[column] = other;
    return in_order(std::move(tables), links);
}

}  // namespace kvstone
