// Pages of the manual in roff, with the macros of man(7).

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

#include "harness/cli/verb_tree.hpp"

namespace kvstone {
namespace {

/// A text in which nothing is a command of roff.
std::string plain(std::string const& text) {
    std::string result;
    for (char const c : text) {
        bool const first = result.empty() || result.back() == '\n';
        if (first && (c == '.' || c == '\'')) result += "\\&";
        if (c == '\\')
            result += "\\e";
        else if (c == '-')
            result += "\\-";
        else
            result += c;
    }
    return result;
}

std::string page_name(std::string const& verb) {
    auto name = verb.empty() ? "kvstone" : "kvstone-" + verb;
    std::ranges::replace(name, ' ', '-');
    return name;
}

std::string command_of(VerbFacts const& verb) { return verb.name.empty() ? "kvstone" : "kvstone " + verb.name; }

std::string synopsis(VerbFacts const& verb) {
    auto text = "\\fB" + plain(command_of(verb)) + "\\fR [\\fIOPTIONS\\fR]";
    for (auto const& option : verb.options)
        if (option.names.empty()) text += " \\fI" + plain(option.place) + "\\fR";
    return text + (verb.verbs.empty() ? "\n" : " \\fIVERB\\fR ...\n");
}

std::string options_text(VerbFacts const& verb) {
    std::string text;
    for (auto const& option : verb.options) {
        std::string names;
        for (auto const& name : option.names) names += (names.empty() ? "\\fB" : ", \\fB") + plain(name) + "\\fR";
        if (names.empty()) names = "\\fI" + plain(option.place) + "\\fR";
        text += ".TP\n" + names + (option.value.empty() ? "" : " " + plain(option.value)) + "\n" +
                plain(option.description) + "\n";
    }
    return text;
}

std::string footer_text(std::string const& footer) {
    auto const examples = footer.find("Examples:\n");
    std::string text;
    if (examples != 0 && !footer.empty()) {
        auto before = footer.substr(0, examples);
        before.erase(before.find_last_not_of('\n') + 1);
        text += ".SH NOTES\n" + plain(before) + "\n";
    }
    if (examples != std::string::npos) text += ".SH EXAMPLES\n.nf\n" + plain(footer.substr(examples + 10)) + "\n.fi\n";
    return text;
}

}  // namespace

std::string manual_page(VerbFacts const& verb, std::string const& version) {
    auto name = page_name(verb.name);
    auto title = name;
    std::ranges::transform(title, title.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    auto text = fmt::format(".TH {} 1 \"\" \"kvstone {}\" \"KVstone\"\n.SH NAME\n{} \\- {}\n.SH SYNOPSIS\n{}",
                            plain(title), version, plain(name), plain(verb.description), synopsis(verb));
    text += ".SH OPTIONS\n" + options_text(verb);
    if (!verb.verbs.empty()) text += ".SH VERBS\n";
    for (auto const& below : verb.verbs) {
        if (verb.name.empty())
            text += ".TP\n\\fB" + plain(page_name(below.name)) + "\\fR(1)\n" + plain(below.description) + "\n";
        else
            text += ".SS " + plain(command_of(below)) + "\n" + plain(below.description) + "\n.PP\n" + synopsis(below) +
                    options_text(below);
    }
    text += footer_text(verb.footer);
    return verb.name.empty() ? text : text + ".SH SEE ALSO\n\\fBkvstone\\fR(1)\n";
}

}  // namespace kvstone
