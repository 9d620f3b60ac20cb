#pragma once
// Tables as described by the file itself, so that functions that copy or remove rows need no list of their own.

#include <map>
#include <string>
#include <vector>

#include <sqlite3.h>

namespace kvstone {

struct TableLinks {
    std::string name;
    std::vector<std::string> columns;  ///< stored ones, `id` left out
    bool has_id = false;               ///< a column `id` numbers the rows in this file
    /// The columns that identify a row in every file: the smallest unique key, else all columns.
    std::vector<std::string> key;
    std::map<std::string, std::string> refers;  ///< columns with the number of a row of another table, and that table
};

/// All tables, those that are referred to before those that refer to them.
std::vector<TableLinks> read_table_links(sqlite3* connection);

}  // namespace kvstone
