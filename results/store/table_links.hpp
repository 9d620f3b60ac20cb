#pragma once
// Tables as the file itself describes them, so that what copies or removes rows needs no list of its own.

#include <map>
#include <string>
#include <vector>

#include <sqlite3.h>

namespace kvstone {

struct TableLinks {
    std::string name;
    std::vector<std::string> columns;  ///< stored ones, `id` left out
    bool has_id = false;               ///< rows are numbered in this file by a column `id`
    /// What other files know a row by: the smallest unique key, else all columns.
    std::vector<std::string> key;
    std::map<std::string, std::string> refers;  ///< columns that hold the number of a row of another table, and which
};

/// All tables, those that are referred to before those that refer to them.
std::vector<TableLinks> read_table_links(sqlite3* connection);

}  // namespace kvstone
