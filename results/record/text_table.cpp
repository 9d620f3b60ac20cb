#include "results/record/text_table.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <ostream>
#include <sstream>

#include "results/record/text.hpp"
#include "results/record/wrapped.hpp"

namespace kvstone {
namespace {

constexpr std::size_t gap = 2;
/// A piece of a cell that is longer is broken anywhere before the table is given up.
constexpr std::size_t longest_whole_piece = 20;

/// The needs of one column.
struct Wish {
    std::size_t natural = 1;  ///< every cell in one line
    std::size_t least = 1;    ///< no piece of a cell is broken
};

std::size_t sum(std::vector<std::size_t> const& widths) {
    return std::accumulate(widths.begin(), widths.end(), std::size_t{0});
}

/// Widths that fit into `columns` columns together with the gaps between them: as wished, or the widest made narrower.
/// Nothing where columns would become narrower than the least.
std::optional<std::vector<std::size_t>> fitted(std::vector<Wish> const& wishes, std::size_t columns) {
    auto const gaps = gap * (wishes.empty() ? 0 : wishes.size() - 1);
    if (gaps >= columns) return std::nullopt;
    auto const room = columns - gaps;
    std::size_t cap = 1;
    for (auto const& wish : wishes) cap = std::max(cap, wish.natural);
    std::vector<std::size_t> widths(wishes.size());
    for (; cap > 0; --cap) {
        std::ranges::transform(wishes, widths.begin(),
                               [&](Wish const& wish) { return std::min(wish.natural, std::max(wish.least, cap)); });
        if (sum(widths) <= room) break;
    }
    if (cap == 0) return std::nullopt;
    for (auto left = room - sum(widths); left > 0;) {
        auto const before = left;
        for (std::size_t i = 0; i < widths.size() && left > 0; ++i)
            if (widths[i] < wishes[i].natural) ++widths[i], --left;
        if (left == before) break;
    }
    return widths;
}

void append_padded(std::string& line, std::string_view text, std::size_t own, std::size_t width, bool right) {
    auto const space = width > own ? width - own : 0;
    if (right) line.append(space, ' ');
    line += text;
    if (!right) line.append(space, ' ');
}

std::string padded(std::string const& text, std::size_t width, bool right) {
    std::string result;
    append_padded(result, text, display_width(text), width, right);
    return result;
}

void print_line(std::ostream& out, std::string line) {
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
}

/// Columns of a table that stand beside each other, with their widths.
struct Part {
    std::vector<std::size_t> columns;
    std::vector<std::size_t> widths;
};

class Printer {
  public:
    Printer(std::ostream& out, Screen const& screen, std::vector<TextTable::Column> const& columns)
        : out_(out), screen_(screen), columns_(columns) {}

    /// `cells` of all columns of the table; those of the part are printed, and `remark` behind them.
    void row(Part const& part, std::vector<std::string> const& cells, std::string const& remark, bool title) {
        if (remark.empty() && !title && one_line(part, cells)) return;
        std::vector<std::vector<std::string>> lines;
        std::size_t height = 1;
        std::size_t taken = 0;
        for (std::size_t i = 0; i < part.columns.size() && part.columns[i] < cells.size(); ++i) {
            lines.push_back(wrapped_lines(cells[part.columns[i]], part.widths[i]));
            height = std::max(height, lines.back().size());
            taken += part.widths[i] + gap;
        }
        if (!remark.empty()) {
            auto const room = std::max(screen_.columns, taken + 1) - taken;
            lines.push_back(wrapped_lines(remark, room));
            height = std::max(height, lines.back().size());
        }
        for (std::size_t at = 0; at < height; ++at) {
            std::string line;
            for (std::size_t i = 0; i < lines.size(); ++i) {
                auto text = at < lines[i].size() ? lines[i][at] : std::string();
                bool const is_remark = !remark.empty() && i + 1 == lines.size();
                if (title && !text.empty()) text = screen_.bold(text);
                line += std::string(i == 0 ? 0 : gap, ' ');
                line += is_remark ? (text.empty() ? text : screen_.red(text))
                                  : padded(text, part.widths[i], columns_[part.columns[i]].right);
            }
            print_line(out_, std::move(line));
        }
    }

  private:
    /// Most rows have no cell to be wrapped: prints such a row, and returns whether it is one.
    bool one_line(Part const& part, std::vector<std::string> const& cells) {
        std::string line;
        for (std::size_t i = 0; i < part.columns.size() && part.columns[i] < cells.size(); ++i) {
            auto const& text = cells[part.columns[i]];
            auto const own = display_width(text);
            if (own > part.widths[i] || text.ends_with(' ') || text.find('\n') != std::string::npos) return false;
            line.append(i == 0 ? 0 : gap, ' ');
            append_padded(line, text, own, part.widths[i], columns_[part.columns[i]].right);
        }
        print_line(out_, std::move(line));
        return true;
    }

    std::ostream& out_;
    Screen const& screen_;
    std::vector<TextTable::Column> const& columns_;
};

/// Keys with as many other columns as fit, then keys with the next ones.
std::vector<Part> parts_of(std::vector<Wish> const& wishes, std::size_t keys, std::size_t columns) {
    std::vector<Part> parts;
    auto const with = [&](std::vector<std::size_t> const& chosen) {
        std::vector<Wish> wished;
        for (auto const i : chosen) {
            wished.push_back(wishes[i]);
            if (i < keys)
                wished.back().natural = std::min(wished.back().natural, std::max<std::size_t>(columns / 3, 1));
            wished.back().least = std::min(wished.back().least, wished.back().natural);
        }
        return fitted(wished, columns);
    };
    for (std::size_t next = keys; next < wishes.size();) {
        Part part;
        for (std::size_t key = 0; key < keys; ++key) part.columns.push_back(key);
        auto const first = next;
        for (; next < wishes.size(); ++next) {
            part.columns.push_back(next);
            if (auto widths = with(part.columns)) {
                part.widths = std::move(*widths);
            } else {
                part.columns.pop_back();
                break;
            }
        }
        if (next == first) {  // not even one fits: equal shares
            part.columns.push_back(next++);
            auto const gaps = gap * keys;
            part.widths.assign(part.columns.size(),
                               std::max<std::size_t>(columns > gaps ? (columns - gaps) / part.columns.size() : 1, 1));
        }
        parts.push_back(std::move(part));
    }
    return parts;
}

}  // namespace

void TextTable::add(std::vector<std::string> cells) { rows_.push_back({std::move(cells), {}}); }

void TextTable::add(std::vector<std::string> keys, std::string remark) {
    rows_.push_back({std::move(keys), std::move(remark)});
}

void TextTable::print(std::ostream& out, Screen const& screen) const {
    std::vector<std::string> titles;
    std::vector<Wish> wishes;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
        auto const& title = columns_[i].title;
        titles.push_back(title);
        Wish wish{std::max<std::size_t>(display_width(title), 1), longest_piece(title)};
        for (auto const& row : rows_) {
            if (i >= row.cells.size()) continue;
            auto const width = display_width(row.cells[i]);
            wish.natural = std::max(wish.natural, width);
            // Numbers stay whole, and so do names.
            bool const whole = columns_[i].right || (i < keys_ && width <= longest_whole_piece);
            wish.least =
                std::max(wish.least, whole ? width : std::min(longest_piece(row.cells[i]), longest_whole_piece));
        }
        wish.least = std::min(wish.least, wish.natural);
        wishes.push_back(wish);
    }
    std::vector<Part> parts;
    if (auto widths = fitted(wishes, screen.columns)) {
        parts.emplace_back();
        parts.back().columns.resize(wishes.size());
        std::iota(parts.back().columns.begin(), parts.back().columns.end(), std::size_t{0});
        parts.back().widths = std::move(*widths);
    } else if (keys_ == 0) {
        for (auto const& row : rows_) {
            if (&row != &rows_.front()) out << '\n';
            std::vector<std::pair<std::string, std::string>> fields;
            for (std::size_t i = 0; i < row.cells.size(); ++i) fields.emplace_back(titles[i], row.cells[i]);
            print_fields(out, fields, screen);
        }
        if (!rows_.empty()) return;
        parts = parts_of(wishes, 0, screen.columns);
    } else {
        parts = parts_of(wishes, keys_, screen.columns);
    }
    Printer printer(out, screen, columns_);
    for (auto const& part : parts) {
        bool const first = &part == &parts.front();
        if (!first) out << '\n';
        printer.row(part, titles, {}, true);
        for (auto const& row : rows_)
            if (row.remark.empty() || first) printer.row(part, row.cells, row.remark, false);
    }
}

std::string TextTable::text(Screen const& screen) const {
    std::ostringstream out;
    print(out, screen);
    return out.str();
}

void print_fields(std::ostream& out, std::vector<std::pair<std::string, std::string>> const& fields,
                  Screen const& screen) {
    std::size_t label = 1;
    for (auto const& [name, value] : fields) label = std::max(label, display_width(name));
    label = std::min(label, std::max<std::size_t>(screen.columns / 3, 1));
    auto const room = std::max(screen.columns, label + gap + 1) - label - gap;
    for (auto const& [name, value] : fields) {
        auto const names = wrapped_lines(name, label);
        auto const lines = wrapped_lines(value, room);
        for (std::size_t at = 0; at < std::max(names.size(), lines.size()); ++at)
            print_line(out, screen.bold(padded(at < names.size() ? names[at] : "", label, false)) +
                                std::string(gap, ' ') + (at < lines.size() ? lines[at] : ""));
    }
}

}  // namespace kvstone
