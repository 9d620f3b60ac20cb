#pragma once
// The one printer of tables for people.

#include <cstddef>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "results/record/screen.hpp"

namespace kvstone {

/// A table that is never wider than the screen. Where its columns have no room as they are, the widest become narrower and
/// their cells take several lines. Where they would become too narrow to read, a table with keys is cut into tables of fewer
/// columns, each of which repeats the keys; a table without keys prints every row as lines of a title and a cell.
class TextTable {
  public:
    struct Column {
        std::string title;
        bool right = false;  ///< numbers stand to the right
    };
    /// `keys`: how many of the first columns say what a row is about.
    explicit TextTable(std::vector<Column> columns, std::size_t keys = 0) : columns_(std::move(columns)), keys_(keys) {}

    /// A cell of each column.
    void add(std::vector<std::string> cells);
    /// Cells of the keys, and a sentence in place of all others.
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

/// Lines of a label and what it stands for; what has no room in a line goes on below.
void print_fields(std::ostream& out, std::vector<std::pair<std::string, std::string>> const& fields,
                  Screen const& screen);

}  // namespace kvstone
