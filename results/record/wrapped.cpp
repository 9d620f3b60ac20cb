#include "results/record/wrapped.hpp"

#include <algorithm>
#include <iterator>

#include "results/record/text.hpp"

namespace kvstone {
namespace {

constexpr std::string_view breaks_behind = ",/|;:=_-.&?";

/// The bytes of the first unit of the text: a character of UTF-8, or a terminal's command for colours.
std::size_t first_character(std::string_view text) {
    std::size_t bytes = 1;
    if (text.starts_with("\x1b[")) {
        auto const end = text.find('m');
        return end == std::string_view::npos ? text.size() : end + 1;
    }
    while (bytes < text.size() && (static_cast<unsigned char>(text[bytes]) & 0xC0U) == 0x80U) ++bytes;
    return bytes;
}

/// The bytes of a word that fit into so many columns, at least one character.
std::size_t fitting(std::string_view word, std::size_t columns) {
    std::size_t end = 0, behind_break = 0;
    for (std::size_t width = 0; end < word.size();) {
        auto const bytes = first_character(word.substr(end));
        width += display_width(word.substr(end, bytes));
        if (width > columns && end > 0) break;
        end += bytes;
        if (breaks_behind.find(word[end - 1]) != std::string_view::npos) behind_break = end;
    }
    return end == word.size() || behind_break == 0 ? end : behind_break;
}

/// Appends one line of the text to `lines`; the first line of all has `first` columns, the others `rest`.
void wrap_line(std::vector<std::string>& lines, std::string_view text, std::size_t first, std::size_t rest) {
    auto const room = [&] { return lines.empty() ? first : rest; };
    std::string line;
    bool begun = false;  // the line has a word
    while (true) {
        auto const spaces = std::min(text.find_first_not_of(' '), text.size());
        auto const end = std::min(text.find(' ', spaces), text.size());
        auto word = text.substr(spaces, end - spaces);
        if (word.empty()) break;
        if (begun && display_width(line) + spaces + display_width(word) > room()) {
            lines.push_back(std::move(line));
            line.clear();
        } else {
            line.append(std::min(spaces, room() - 1), ' ');
        }
        while (display_width(line) + display_width(word) > room()) {
            auto const bytes = fitting(word, room() - std::min(display_width(line), room() - 1));
            lines.push_back(line + std::string(word.substr(0, bytes)));
            line.clear();
            word.remove_prefix(bytes);
        }
        line += word;
        begun = true;
        text.remove_prefix(end);
    }
    lines.push_back(std::move(line));
}

/// Calls `take` with the lines that each line of the text is broken into.
template <class Take>
void for_each_line(std::string_view text, std::size_t first, std::size_t rest, Take take) {
    while (true) {
        auto const end = std::min(text.find('\n'), text.size());
        std::vector<std::string> lines;
        wrap_line(lines, text.substr(0, end), first, rest);
        take(std::move(lines));
        if (end == text.size()) return;
        text.remove_prefix(end + 1);
    }
}

}  // namespace

std::vector<std::string> wrapped_lines(std::string_view text, std::size_t columns) {
    auto const most = std::max<std::size_t>(columns, 1);
    std::vector<std::string> all;
    for_each_line(text, most, most,
                  [&](std::vector<std::string> lines) { std::ranges::move(lines, std::back_inserter(all)); });
    return all;
}

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
    auto const most = std::max<std::size_t>(columns, 1);
    std::string const margin(std::min(indent, most - 1), ' ');
    std::string result;
    bool first = true;
    for_each_line(text, most, most - margin.size(), [&](std::vector<std::string> const& lines) {
        for (std::size_t i = 0; i < lines.size(); ++i)
            result += (first && i == 0 ? "" : "\n") + (i == 0 ? "" : margin) + lines[i];
        first = false;
    });
    return result;
}

std::size_t longest_piece(std::string_view text) {
    std::size_t longest = 0, start = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        bool const apart = i == text.size() || text[i] == ' ' || text[i] == '\n';
        if (!apart && breaks_behind.find(text[i]) == std::string_view::npos) continue;
        longest = std::max(longest, display_width(text.substr(start, i - start + (apart ? 0 : 1))));
        start = i + 1;
    }
    return longest;
}

}  // namespace kvstone
