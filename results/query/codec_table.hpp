#pragma once
// Tables with a line a codec, for people.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace kvstone {

/// Names to the left, in as many columns as the longest takes but at most 27: a longer one keeps its line to itself. Behind
/// them cells, to the right of columns that are given.
class CodecTable {
  public:
    struct Column {
        std::string title;
        std::size_t width;  ///< at least
    };
    explicit CodecTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

    /// `cells`: of each column, or none; `remark` stands behind them.
    void add(std::string codec, std::vector<std::string> cells, std::string remark = {});
    /// Header and lines, each with its line end.
    std::string text() const;

  private:
    struct Row {
        std::string codec;
        std::vector<std::string> cells;
        std::string remark;
    };
    std::vector<Column> columns_;
    std::vector<Row> rows_;
};

}  // namespace kvstone
