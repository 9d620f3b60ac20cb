// What shells read to complete commands of kvstone. All three offer verbs, options and listed values, and files elsewhere.

#include <functional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/cli/verb_tree.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

/// In single quotes of a POSIX shell, where a quote ends the text.
std::string quoted(std::string const& text, std::string const& quote) {
    std::string result = "'";
    for (char const c : text) result += c == '\'' ? quote : std::string(1, c);
    return result + "'";
}

std::string last_word(std::string const& verb) { return verb.substr(verb.rfind(' ') + 1); }

void each_verb(VerbFacts const& verb, std::function<void(VerbFacts const&)> const& work) {
    work(verb);
    for (auto const& below : verb.verbs) each_verb(below, work);
}

std::string bash(VerbFacts const& program) {
    std::string paths, values, words;
    each_verb(program, [&](VerbFacts const& verb) {
        if (!verb.name.empty()) {
            auto const parent =
                verb.name.find(' ') == std::string::npos ? "" : verb.name.substr(0, verb.name.rfind(' '));
            paths += fmt::format("{}\"{}:{}\"", paths.empty() ? "" : " | ", parent, last_word(verb.name));
        }
        std::vector<std::string> offered;
        for (auto const& below : verb.verbs) offered.push_back(last_word(below.name));
        for (auto const& option : verb.options) {
            offered.insert(offered.end(), option.names.begin(), option.names.end());
            if (option.names.empty()) offered.insert(offered.end(), option.choices.begin(), option.choices.end());
            if (option.names.empty() || option.choices.empty()) continue;
            for (auto const& name : option.names)
                values += fmt::format("        \"{}:{}\") words={} only=1 ;;\n", verb.name, name,
                                      quoted(fmt::format("{}", fmt::join(option.choices, " ")), "'\\''"));
        }
        words += fmt::format("            \"{}\") words={} ;;\n", verb.name,
                             quoted(fmt::format("{}", fmt::join(offered, " ")), "'\\''"));
    });
    return "# Completions of kvstone for bash, made by `kvstone completions bash`.\n"
           "_kvstone() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb= words= only= i\n"
           "    for ((i = 1; i < COMP_CWORD; ++i)); do\n"
           "        case \"$verb:${COMP_WORDS[i]}\" in\n            " +
           paths +
           ")\n                verb=${verb:+$verb }${COMP_WORDS[i]} ;;\n"
           "        esac\n"
           "    done\n"
           "    case \"$verb:$before\" in\n" +
           values +
           "    esac\n"
           "    if [[ -z $only ]]; then\n"
           "        case $verb in\n" +
           words +
           "        esac\n"
           "    fi\n"
           "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
           "    [[ -n $only || -z $verb || $word == -* ]] ||\n"
           "        mapfile -t -O \"${#COMPREPLY[@]}\" COMPREPLY < <(compgen -f -- \"$word\")\n"
           "}\n"
           "complete -o filenames -F _kvstone kvstone\n";
}

std::string zsh_function(std::string const& verb) {
    std::string name = "_kvstone";
    for (char const c : verb.empty() ? "" : "_" + verb) name += c == ' ' || c == '-' ? '_' : c;
    return name;
}

std::string zsh(VerbFacts const& program) {
    auto const bracketed = [](std::string const& text) {
        std::string result;
        for (char const c : text)
            result += c == '[' || c == ']' || c == ':' ? std::string("\\") + c : std::string(1, c);
        return result;
    };
    auto const action = [](OptionFacts const& option) {
        return option.choices.empty() ? std::string(":value:_files")
                                      : fmt::format(":value:({})", fmt::join(option.choices, " "));
    };
    std::string text = "#compdef kvstone\n# Completions of kvstone for zsh, made by `kvstone completions zsh`.\n";
    each_verb(program, [&](VerbFacts const& verb) {
        text += zsh_function(verb.name) + "() {\n";
        std::vector<std::string> specs;
        std::string places = "_files";
        for (auto const& option : verb.options) {
            if (option.names.empty() && !option.choices.empty())
                places = fmt::format("({})", fmt::join(option.choices, " "));
            for (auto const& name : option.names)
                specs.push_back(quoted(fmt::format("*{}[{}]{}", name, bracketed(option.description),
                                                   option.value.empty() ? "" : action(option)),
                                       "'\\''"));
        }
        if (verb.verbs.empty()) {
            specs.push_back(quoted("*:argument:" + places, "'\\''"));
            text += fmt::format("    _arguments {}\n}}\n", fmt::join(specs, " \\\n        "));
            return;
        }
        specs.insert(specs.end(), {"'1:verb:->verb'", "'*::argument:->rest'"});
        text += fmt::format("    local curcontext=$curcontext state line\n    local -a verbs=(\n");
        for (auto const& below : verb.verbs)
            text += "        " + quoted(last_word(below.name) + ":" + below.description, "'\\''") + "\n";
        text += fmt::format(
            "    )\n    _arguments -C {}\n    case $state in\n        verb) _describe verb verbs ;;\n"
            "        rest)\n            case $line[1] in\n",
            fmt::join(specs, " \\\n        "));
        for (auto const& below : verb.verbs)
            text += fmt::format("                {}) {} ;;\n", last_word(below.name), zsh_function(below.name));
        text += "            esac ;;\n    esac\n}\n";
    });
    return text + "_kvstone \"$@\"\n";
}

std::string fish(VerbFacts const& program) {
    std::string text = "# Completions of kvstone for fish, made by `kvstone completions fish`.\n";
    each_verb(program, [&](VerbFacts const& verb) {
        std::string condition = "__fish_use_subcommand";
        if (!verb.name.empty()) {
            condition.clear();
            for (std::string::size_type at = 0, end = 0; end != std::string::npos; at = end + 1) {
                end = verb.name.find(' ', at);
                condition +=
                    (at == 0 ? "" : "; and ") +
                    ("__fish_seen_subcommand_from " + verb.name.substr(at, end == std::string::npos ? end : end - at));
            }
        }
        auto const start = fmt::format("complete -c kvstone -n '{}'", condition);
        for (auto const& below : verb.verbs)
            text += fmt::format("{} -f -a {} -d {}\n", start, last_word(below.name), quoted(below.description, "\\'"));
        for (auto const& option : verb.options) {
            std::string names;
            for (auto const& name : option.names)
                names += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
            if (names.empty() && option.choices.empty()) continue;
            auto const choices =
                option.choices.empty()
                    ? std::string(names.empty() || option.value.empty() ? "" : " -r")
                    : fmt::format("{} -a '{}'", names.empty() ? " -f" : " -x", fmt::join(option.choices, " "));
            text += start + names + choices + " -d " + quoted(option.description, "\\'") + "\n";
        }
    });
    return text;
}

}  // namespace

std::string completions_of(VerbFacts const& program, std::string const& shell) {
    if (shell == "bash") return bash(program);
    if (shell == "zsh") return zsh(program);
    if (shell == "fish") return fish(program);
    throw ConfigError("there are no completions for this shell", shell, {"bash", "zsh", "fish"});
}

}  // namespace kvstone
