#pragma once
// The only printer of tables for people.

#include <cstddef>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "results/record/screen.hpp"

namespace kvstone {

/// A table that is never wider than the screen. Where there is no room for its columns, the widest become narrower and
/// their cells take several lines. Where they would become too narrow to read, a table with keys is cut into tables of
/// fewer columns, each of which repeats the keys; a table without keys prints every row as lines of a title and a cell.
class TextTable {
  public:
    struct Column {
        std::string title;
        bool right = false;  ///< numbers stand to the right
    };
    /// `keys`: number of first columns that name the subject of a row.
    explicit TextTable(std::vector<Column> columns, std::size_t keys = 0) : columns_(std::move(columns)), keys_(keys) {}

    /// Adds a row with a cell for each column.
    void add(std::vector<std::string> cells);
    /// Adds a row with the cells of the keys, and a sentence in place of all others.
    void add(std::vector<std::string> keys, std::string remark);
    /// Title line and rows, each with its line end.
    void print(std::ostream& out, Screen const& screen) const;
    std::string text(Screen const& screen) const;

  private:
    struct Row {
        std::vector<std::string> cells;
        std::string remark;
    };
    std::vector<Column> columns_;
    std::size_t keys_;
    std::vector<Row> rows_;
};

/// Lines of a label and its value; a value without room on a line continues on the next ones.
void print_fields(std::ostream& out, std::vector<std::pair<std::string, std::string>> const& fields,
                  Screen const& screen);

}  // namespace kvstone
