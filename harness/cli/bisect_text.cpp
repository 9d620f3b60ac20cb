#include "harness/cli/bisect_text.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace kvstone {
namespace {

constexpr std::size_t most_others = 5;

std::string short_id(Json const& commit) { return commit.get<std::string>().substr(0, 12); }

std::string word(Json const& object, char const* key) { return object.at(key).get<std::string>(); }

std::string figures(Json const& facts) {
    auto const number = [&](char const* key) {
        auto const found = facts.find(key);
        return found != facts.end() && found->is_number() ? fmt::format("{:.6g}", found->get<double>())
                                                          : std::string("-");
    };
    auto const base = facts.find("base"), head = facts.find("head");
    bool const both =
        base != facts.end() && head != facts.end() && base->is_number() && head->is_number() && *base != 0;
    auto const change =
        both ? fmt::format(" ({:+.3g}%)", 100 * (head->get<double>() / base->get<double>() - 1)) : std::string();
    return fmt::format("{} -> {}{}: {}", number("base"), number("head"), change, word(facts, "why"));
}

}  // namespace

std::string bisect_text(Json const& answer) {
    auto const& target = answer.at("target");
    std::string text;
    if (auto const& first = answer.at("first_bad"); !first.is_null()) {
        text = fmt::format("{} is the first bad commit: {}\n", word(answer, "first_bad"), word(answer, "subject"));
    } else {
        text = "the first bad commit is one of these; all but the last were skipped:\n";
        for (auto const& commit : answer.at("candidates")) text += "  " + commit.get<std::string>() + '\n';
    }
    text += fmt::format("  rule    {}\n", word(target, "rule"));
    text += fmt::format("  at      {}  {} {} ({})\n", word(target, "where"), word(target, "codec"),
                        word(target, "component"), word(target, "cell"));
    text += fmt::format("  figure  {}\n", word(target, "metric"));
    auto facts = target;  // of BAD itself, where no commit before it was bad
    for (auto const& commit : answer.at("commits"))
        if (commit.at("commit") == answer.at("first_bad")) facts = commit;
    text += fmt::format("  beside GOOD ({}): {} (gate {})\n", short_id(answer.at("good")), figures(facts),
                        word(facts, "gate").substr(0, 8));
    if (auto const& parent = answer.at("parent"); !parent.is_null()) {
        text += fmt::format("  beside its parent ({}): {}\n", short_id(parent.at("commit")), figures(parent));
        if (word(parent, "verdict") != "regression")
            text +=
                target.at("timed").get<bool>()
                    ? "  beside its parent alone the rule holds: several commits made the figure worse, or a verdict "
                      "was wrong\n"
                    : "  beside its parent alone the rule holds: several commits made the figure worse\n";
    }
    for (auto const& commit : answer.at("commits"))
        text += fmt::format("  {}  {:4}  {}\n", short_id(commit.at("commit")), word(commit, "judgement"),
                            word(commit, "why"));
    auto const& others = answer.at("others");
    for (std::size_t i = 0; i < std::min(others.size(), most_others); ++i)
        text += fmt::format("  broken at BAD, too: {} at {} {}: {}\n", word(others[i], "rule"),
                            word(others[i], "codec"), word(others[i], "component"), figures(others[i]));
    if (others.size() > most_others) text += fmt::format("  and {} more figures\n", others.size() - most_others);
    return text;
}

}  // namespace kvstone
