// `kvstone completions` and `kvstone manual`: what an installed tree has for shells and for man(1), made from the verbs
// themselves.

#include <filesystem>
#include <fstream>
#include <iostream>

#include "harness/cli/cli.hpp"
#include "harness/cli/output_file.hpp"
#include "harness/cli/verb_tree.hpp"
#include "results/record/build.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

ExitCode write_manual(VerbFacts const& program, std::string const& folder) {
    auto pages = program.verbs;
    pages.push_back(program);
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    if (error) throw ConfigError("cannot make the folder: " + error.message(), folder);
    for (auto const& verb : pages) {
        auto const name = verb.name.empty() ? "kvstone" : "kvstone-" + verb.name;
        auto const file = std::filesystem::path(folder) / (name + ".1");
        write_output(file.string(), manual_page(verb, this_build().version));
    }
    std::cout << pages.size() << " pages in " << folder << '\n';
    return exit_pass;
}

}  // namespace

void add_completions(CommandLine& line) {
    auto shell = std::make_shared<std::string>();
    auto* command = line.verb("completions", "Print what a shell reads to complete commands of kvstone",
                              {"kvstone completions bash >~/.local/share/bash-completion/completions/kvstone",
                               "kvstone completions fish >~/.config/fish/completions/kvstone.fish"});
    command->add_option("shell", *shell, "The shell")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
    command->callback([&line, shell] {
        line.action = [&line, shell] {
            std::cout << completions_of(verb_tree(line.app), *shell);
            return exit_pass;
        };
    });
}

void add_manual(CommandLine& line) {
    auto folder = std::make_shared<std::string>();
    auto* command = line.verb("manual", "Write the pages of the manual, one for each verb, for man(1)",
                              {"kvstone manual ~/.local/share/man/man1", "kvstone manual share/man/man1"});
    command->add_option("folder", *folder, "The folder to write to; it is made where there is none")->required();
    command->callback(
        [&line, folder] { line.action = [&line, folder] { return write_manual(verb_tree(line.app), *folder); }; });
}

}  // namespace kvstone
