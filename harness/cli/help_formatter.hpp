#pragma once
// `--help` in the width of the terminal.

#include <CLI/CLI.hpp>

namespace kvstone {

/// Options in two columns: the spelling and the meaning. Where the first column is too narrow for an option, its
/// meaning begins on the next line. No line is wider than `columns`, unless a single word is.
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
