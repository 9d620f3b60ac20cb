#include "results/query/codec_table.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "results/record/text.hpp"

namespace kvstone {
namespace {

constexpr std::size_t most_name_columns = 27;

/// A longer name keeps its line to itself: cutting it could make two codecs look the same.
std::string name_cell(std::string const& name, std::size_t width) {
    auto const own = display_width(name);
    return name + (own > width ? "\n" + std::string(width, ' ') : std::string(width - own, ' '));
}

}  // namespace

void CodecTable::add(std::string codec, std::vector<std::string> cells, std::string remark) {
    rows_.push_back({std::move(codec), std::move(cells), std::move(remark)});
}

std::string CodecTable::text() const {
    constexpr std::string_view title = "codec";
    std::size_t width = title.size();
    for (auto const& row : rows_) width = std::max(width, std::min(most_name_columns, display_width(row.codec)));
    auto lines = fmt::format("{:<{}}", title, width);
    for (auto const& column : columns_) lines += fmt::format("  {:>{}}", column.title, column.width);
    lines += '\n';
    for (auto const& row : rows_) {
        lines += name_cell(row.codec, width);
        for (std::size_t i = 0; i < row.cells.size(); ++i)
            lines += fmt::format("  {:>{}}", row.cells[i], columns_[i].width);
        lines += (row.remark.empty() ? "" : "  ") + row.remark + '\n';
    }
    return lines;
}

}  // namespace kvstone
