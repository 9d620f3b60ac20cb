#include "harness/workloads/tasks/recall.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <map>
#include <random>

#include <fmt/format.h>

#include "codecs/not_applicable.hpp"
#include "harness/sources/builtin.hpp"
#include "scenarios/errors.hpp"
#include "scenarios/json.hpp"

namespace kvstone {
namespace {

using Values = std::map<std::string, std::string>;

constexpr std::size_t people_in_a_story = 12;
constexpr std::size_t chains = 3;
constexpr std::size_t chain_links = 3;  ///< people of a chain: the first has a town, the last is asked for

Json const& words() {
    static Json const all = [] {
        auto const path = builtin_path("words");
        if (path.empty()) throw SystemError("the words of recall tasks, words.json, are not installed");
        std::ifstream file(path);
        return Json::parse(file);
    }();
    return all;
}

/// The same draws on every machine: distributions of the standard library are not.
class Draw {
  public:
    Draw(std::uint64_t seed, std::uint64_t story) {
        std::seed_seq sequence{seed, seed >> 32, story, story >> 32};
        random_.seed(sequence);
    }
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
    std::string pick(Json const& list) { return list[below(list.size())].get<std::string>(); }
    std::string name(std::string const& kind, std::string const& between = {}) {
        auto const start = pick(words()[kind + (between.empty() ? "_starts" : "_adjectives")]);
        return start + between + pick(words()[kind + (between.empty() ? "_ends" : "_nouns")]);
    }
    /// Different ones.
    template <class Make>
    std::vector<std::string> several(std::size_t count, Make const& make) {
        std::vector<std::string> all;
        while (all.size() < count)
            if (auto one = make(); std::ranges::find(all, one) == all.end()) all.push_back(std::move(one));
        return all;
    }
    template <class T>
    void shuffle(std::vector<T>& list) {
        for (auto left = list.size(); left > 1; --left) std::swap(list[left - 1], list[below(left)]);
    }

  private:
    std::mt19937_64 random_;
};

/// A template with each {slot} replaced, and a capital at its start.
std::string sentence(std::string text, Values const& values) {
    for (auto const& [slot, value] : values)
        for (auto at = text.find("{" + slot + "}"); at != std::string::npos; at = text.find("{" + slot + "}", at))
            text.replace(at, slot.size() + 2, value);
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    return text;
}

/// The first template that asks for a fact's value, cut where the answer begins.
TaskItem question(std::string const& kind, std::string const& subject, std::string const& value, std::size_t values) {
    auto text = words()["facts"][kind]["recall"][0].get<std::string>();
    text = "\n" + sentence(text.substr(0, text.find(" [b]")), {{"a", subject}});
    TaskItem item;
    item.choices = {{text, " " + value, value.size()}};
    item.chance = values > 1 ? 1 / static_cast<double>(values) : 0;
    return item;
}

struct Story {
    std::vector<std::string> people;
    std::vector<std::string> facts;  ///< in the order in which they are told
    std::vector<TaskItem> items;
};

std::string stated(Draw& draw, std::string const& kind, std::string const& subject, std::string const& value) {
    return sentence(draw.pick(words()["facts"][kind]["state"]), {{"a", subject}, {"b", value}});
}

void add_needle(Draw& draw, Story& story) {
    auto const town = draw.name("town");
    story.facts = {stated(draw, "lives", story.people[0], town)};
    story.items = {question("lives", story.people[0], town, 1)};
}

void add_pairs(Draw& draw, Story& story) {
    auto const count = story.people.size();
    auto const objects = draw.several(count, [&] { return "the " + draw.name("object", " "); });
    auto const towns = draw.several(count, [&] { return draw.name("town"); });
    for (auto const& [kind, values] : {std::pair{"lives", &towns}, {"carries", &objects}}) {
        for (std::size_t i = 0; i < count; ++i) {
            story.facts.push_back(stated(draw, kind, story.people[i], (*values)[i]));
            story.items.push_back(question(kind, story.people[i], (*values)[i], count));
        }
    }
    draw.shuffle(story.facts);
    draw.shuffle(story.items);
}

void add_chains(Draw& draw, Story& story) {
    auto const towns = draw.several(chains, [&] { return draw.name("town"); });
    std::vector<std::size_t> told;  // whose next link is told
    for (std::size_t chain = 0; chain < chains; ++chain) {
        auto const* people = &story.people[chain * chain_links];
        story.items.push_back(question("lives", people[chain_links - 1], towns[chain], chains));
        told.insert(told.end(), chain_links, chain);
    }
    draw.shuffle(told);
    std::vector<std::size_t> links(chains);
    for (auto const chain : told) {
        auto const link = links[chain]++;
        auto const* people = &story.people[chain * chain_links];
        story.facts.push_back(link == 0 ? stated(draw, "lives", people[0], towns[chain])
                                        : people[link] + " lived where " + people[link - 1] + " lived.");
    }
    draw.shuffle(story.items);
}

struct Kind {
    void (*add)(Draw&, Story&);
    std::uint64_t questions;
};
std::map<std::string, Kind> const& kinds() {
    static std::map<std::string, Kind> const all{{"key_value", {add_pairs, 2 * people_in_a_story}},
                                                 {"needle", {add_needle, 1}},
                                                 {"variables", {add_chains, chains}}};
    return all;
}

std::string filler(Draw& draw, std::vector<std::string> const& people) {
    auto const first = draw.below(people.size());
    auto const second = (first + 1 + draw.below(people.size() - 1)) % people.size();
    Values values{{"p", people[first]}, {"q", people[second]}, {"place", "the " + draw.name("place", " ")}};
    for (auto const& [slot, choices] : words()["slots"].items()) values[slot] = draw.pick(choices);
    return sentence(draw.pick(words()["fillers"]), values);
}

/// Facts in their order at random places among fillers, in lines of a few sentences.
std::string told(std::string const& title, std::vector<std::string> const& facts,
                 std::vector<std::string> const& fillers, std::vector<std::uint64_t> const& order) {
    std::vector<bool> is_fact(facts.size() + fillers.size());
    for (std::size_t i = 0; i < facts.size(); ++i) is_fact[i] = true;
    // The order of draws made for more sentences, as far as it speaks of these.
    for (auto left = is_fact.size(); left > 1; --left) {
        auto const other = order[left - 1] % left;
        bool const kept = is_fact[left - 1];
        is_fact[left - 1] = is_fact[other];
        is_fact[other] = kept;
    }
    std::string text = title;
    std::size_t fact = 0;
    for (std::size_t i = 0; i < is_fact.size(); ++i) {
        if (i > 0) text += order[i] % 7 == 0 ? "\n" : " ";
        text += is_fact[i] ? facts[fact] : fillers[i - fact];
        fact += is_fact[i] ? 1 : 0;
    }
    return text;
}

}  // namespace

std::vector<std::string> const& recall_kinds() {
    static std::vector<std::string> const all = [] {
        std::vector<std::string> names;
        for (auto const& [name, kind] : kinds()) names.push_back(name);
        return names;
    }();
    return all;
}

std::uint64_t recall_questions(std::string const& kind) { return kinds().at(kind).questions; }

TaskGroup recall_story(RecallSettings const& settings, TokenCount const& tokens_of) {
    Draw draw(settings.seed, settings.story);
    Story story;
    story.people = draw.several(people_in_a_story, [&] { return draw.name("name"); });
    kinds().at(settings.kind).add(draw, story);
    auto const title = "The book of " + story.people[0] + ".\n";

    // A sentence takes at least one token.
    std::vector<std::string> fillers;
    for (std::uint64_t tokens = 0; tokens < settings.tokens + 64; tokens += tokens_of(fillers.back()))
        fillers.push_back(filler(draw, story.people));
    std::vector<std::uint64_t> order(story.facts.size() + fillers.size());
    for (auto& place : order) place = draw.below(std::size_t{1} << 32);
    auto const of = [&](std::size_t count) {
        return told(title, story.facts, {fillers.begin(), fillers.begin() + static_cast<std::ptrdiff_t>(count)}, order);
    };
    if (auto const least = tokens_of(of(0)); least > settings.tokens)
        throw NotApplicable(fmt::format("the facts of task {} alone are longer than the context", settings.kind),
                            fmt::format("{} tokens", settings.tokens), {fmt::format("{} tokens and more", least)});
    std::size_t few = 0;
    std::size_t enough = fillers.size();
    while (enough - few > 1) {
        auto const middle = few + (enough - few) / 2;
        (tokens_of(of(middle)) < settings.tokens ? few : enough) = middle;
    }
    return {of(enough), std::move(story.items)};
}

}  // namespace kvstone
