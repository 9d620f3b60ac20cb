#pragma once
// `--help` as wide as the terminal.

#include <CLI/CLI.hpp>

namespace kvstone {

/// Options in two columns: what is written, and what it means. Where the first has no room for an option, its meaning
/// begins on the next line. No line is wider than `columns`, but for a word that is.
class HelpFormatter : public CLI::Formatter {
  public:
    explicit HelpFormatter(std::size_t columns);

    std::string make_help(CLI::App const* app, std::string name, CLI::AppFormatMode mode) const override;
    std::string make_usage(CLI::App const* app, std::string name) const override;
    std::string make_subcommand(CLI::App const* command) const override;
    std::string make_option(CLI::Option const* option, bool positional) const override;

  private:
    std::string in_two_columns(std::string const& left, std::string const& right) const;

    std::size_t columns_;
    std::size_t left_columns_;
};

}  // namespace kvstone
