#include "harness/cli/verb_tree.hpp"

#include <sstream>

namespace kvstone {
namespace {

std::vector<std::string> split(std::string const& text, char separator) {
    std::vector<std::string> parts;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
    return parts;
}

std::string one_line(std::string text) {
    for (auto& c : text) c = c == '\n' ? ' ' : c;
    return text;
}

/// "TEXT:{f16,f32}" and "{file,none}" list them.
std::vector<std::string> choices_of(std::string const& type) {
    auto const open = type.find('{');
    auto const close = type.find('}', open == std::string::npos ? 0 : open);
    if (open == std::string::npos || close == std::string::npos) return {};
    auto choices = split(type.substr(open + 1, close - open - 1), ',');
    for (auto& choice : choices) choice = choice.substr(0, choice.find("->"));
    return choices;
}

OptionFacts facts_of(CLI::Option const& option) {
    OptionFacts facts;
    if (option.nonpositional()) {
        facts.names = split(option.get_name(false, true), ',');
    } else {
        facts.place = option.get_name(true);
    }
    facts.value = CLI::Formatter().make_option_opts(&option);
    facts.value.erase(0, facts.value.find_first_not_of(' '));
    facts.description = one_line(option.get_description());
    facts.choices = choices_of(option.get_type_name());
    return facts;
}

VerbFacts facts_of(CLI::App const& app, std::string const& name) {
    VerbFacts facts{name, one_line(app.get_description()), app.get_footer(), {}, {}};
    for (auto const* option : app.get_options())
        if (!option->get_group().empty()) facts.options.push_back(facts_of(*option));
    for (auto const* verb : app.get_subcommands([](CLI::App const*) { return true; }))
        facts.verbs.push_back(facts_of(*verb, name.empty() ? verb->get_name() : name + ' ' + verb->get_name()));
    return facts;
}

}  // namespace

VerbFacts verb_tree(CLI::App const& app) { return facts_of(app, ""); }

}  // namespace kvstone
