#include "harness/cli/help_formatter.hpp"

#include <algorithm>

#include "results/record/text.hpp"
#include "results/record/wrapped.hpp"

namespace kvstone {
namespace {

constexpr std::size_t margin = 2;
/// The meaning of an option continues behind this many spaces.
constexpr std::size_t indent = 6;

std::string without_trailing_spaces(std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

}  // namespace

HelpFormatter::HelpFormatter(std::size_t columns)
    : columns_(columns), left_columns_(std::clamp<std::size_t>(columns / 4, 12, 28)) {}

std::string HelpFormatter::make_help(CLI::App const* app, std::string name, CLI::AppFormatMode mode) const {
    return wrapped(make_description(app), columns_) + make_usage(app, std::move(name)) + make_positionals(app) +
           make_groups(app, mode) + make_subcommands(app, mode) + wrapped(make_footer(app), columns_, indent);
}

std::string HelpFormatter::make_usage(CLI::App const* app, std::string name) const {
    auto usage = CLI::Formatter::make_usage(app, std::move(name));
    auto const first = std::min(usage.find_first_not_of('\n'), usage.size());
    auto const last = usage.find_last_not_of('\n') + 1;
    return "Usage: " + wrapped(usage.substr(first, last - first), columns_ - margin, indent) + "\n";
}

std::string HelpFormatter::make_subcommand(CLI::App const* command) const {
    return in_two_columns(command->get_display_name(true), command->get_description());
}

std::string HelpFormatter::make_option(CLI::Option const* option, bool positional) const {
    std::string names;
    // "-o,--output" is read as two words.
    for (char const c : make_option_name(option, positional)) names.append(c == ',' ? ", " : std::string(1, c));
    return in_two_columns(without_trailing_spaces(names + make_option_opts(option)), make_option_desc(option));
}

std::string HelpFormatter::in_two_columns(std::string const& left, std::string const& right) const {
    auto text = std::string(margin, ' ') + wrapped(left, columns_ - margin, indent);
    auto const column = left_columns_ + margin;
    auto const own = display_width(text);
    std::string const space(column, ' ');
    bool const beside = text.find('\n') == std::string::npos && own + margin <= column;
    text += beside ? std::string(column - own, ' ') : "\n" + space;
    auto const lines = wrapped_lines(right, std::max(columns_, column + 1) - column);
    for (std::size_t i = 0; i < lines.size(); ++i) text += (i == 0 ? "" : "\n" + space) + lines[i];
    return text + "\n";
}

}  // namespace kvstone
