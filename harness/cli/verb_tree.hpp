#pragma once
// The verbs of the command line and their options, as plain data: for the manual and the completions of shells.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace kvstone {

struct OptionFacts {
    std::vector<std::string> names;    ///< "-o", "--output"; empty: it is told by its place
    std::string place;                 ///< the name of an option that is told by its place
    std::string value;                 ///< as `--help` shows it: "TEXT [fp16] ..."; empty: a flag
    std::string description;           ///< one line
    std::vector<std::string> choices;  ///< the accepted values, where they are listed
};

struct VerbFacts {
    std::string name;  ///< "db merge"; "" for the program
    std::string description;
    std::string footer;  ///< examples, and for the program its exit codes
    std::vector<OptionFacts> options;
    std::vector<VerbFacts> verbs;
};

VerbFacts verb_tree(CLI::App const& app);

/// The completions of "bash", "zsh" or "fish" as that shell reads them. Throws ConfigError for another shell.
std::string completions_of(VerbFacts const& program, std::string const& shell);

/// A page of section 1 of the manual, in roff: of the program, or of one of its verbs with those below it.
/// `version` stands at its foot.
std::string manual_page(VerbFacts const& verb, std::string const& version);

}  // namespace kvstone
