// Descriptions for Datasette (https://docs.datasette.io, "Metadata" and "Canned queries"), which shows the database itself:
//   {"title", "databases": {NAME: {"description", "tables": {TABLE: {"description", "columns": {COLUMN: TEXT}}},
//                                  "queries": {QUERY: {"sql", "title", "description"}}}}}
// Datasette 0.x reads all of it by --metadata; 1.0 and newer read queries by --config, which takes the same file.

#include <filesystem>
#include <ostream>

#include <sqlite3.h>

#include "results/query/canned.hpp"
#include "results/query/export.hpp"
#include "results/store/schema.hpp"
#include "scenarios/json.hpp"

namespace kvstone {
namespace {

/// The query without the parameters that `kvstone query` binds by itself.
std::string for_datasette(std::string_view sql) {
    std::string text(sql);
    auto const replace = [&](std::string_view parameter, std::string_view with) {
        for (std::size_t at = 0; (at = text.find(parameter, at)) != std::string::npos; at += with.size())
            text.replace(at, parameter.size(), with);
    };
    replace(":newest", "(SELECT campaign FROM v_newest)");
    replace(":campaign", "NULL");
    return text;
}

}  // namespace

void export_datasette(Store const& store, std::ostream& out) {
    Json tables = Json::object();
    for (auto const& note : notes()) {
        auto& table = tables[std::string(note.table)];
        if (note.column.empty())
            table["description"] = note.text;
        else
            table["columns"][std::string(note.column)] = note.text;
    }
    Json queries = Json::object();
    for (auto const& canned : canned_queries())
        queries[std::string(canned.name)] = {{"sql", for_datasette(canned.sql)},
                                             {"title", "@" + std::string(canned.name)},
                                             {"description", canned.description}};
    auto const name = std::filesystem::path(sqlite3_db_filename(store.connection(), "main")).stem().string();
    Json const metadata{
        {"title", "KVstone"},
        {"databases",
         {{name,
           {{"description", "Measurements of KV-cache codecs: campaigns, cells, attempts and their figures"},
            {"tables", std::move(tables)},
            {"queries", std::move(queries)}}}}}};
    out << metadata.dump(2) << '\n';
}

}  // namespace kvstone
