#include "scenarios/workload_entry.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace kvstone {
namespace {

Json value_of(YamlValue const& value, WorkloadOption const& option, SourceFiles const& files) {
    switch (option.kind) {
        case WorkloadOption::Kind::choice:
            return choice_of(value, option.name, option.choices);
        case WorkloadOption::Kind::tokens: {
            auto const tokens = tokens_of(value);
            if (tokens < option.least || tokens > option.most)
                refuse(value, "a number of tokens out of range", {fmt::format("{} to {}", option.least, option.most)});
            return tokens;
        }
        case WorkloadOption::Kind::number:
            return whole_number_of(value, option.least, option.most);
        case WorkloadOption::Kind::real: {
            auto const number = number_of(value);
            if (number < static_cast<double>(option.least) || number > static_cast<double>(option.most))
                refuse(value, "a number out of range", {fmt::format("{} to {}", option.least, option.most)});
            return number;
        }
        case WorkloadOption::Kind::bytes:
            return bytes_of(value);
        case WorkloadOption::Kind::duration:
            return duration_s_of(value);
        case WorkloadOption::Kind::file:
            return files.hash(value, files.absolute(value, text_of(value)));
        case WorkloadOption::Kind::text:
            break;
    }
    return text_of(value);
}

/// Every combination of the options that a map gives, each with its values.
std::vector<WorkloadEntry> entries_of(std::string const& name, YamlValue const* given, YamlValue const& place,
                                      SourceFiles const& files, std::vector<WorkloadOption> const& options) {
    std::vector<std::string> keys;
    for (auto const& option : options) keys.push_back(option.name);
    YamlValue nothing;
    nothing.kind = YamlValue::Kind::map;
    YamlMap const map(given != nullptr ? *given : nothing, keys);
    std::vector<WorkloadEntry> entries(1);
    entries[0].name = name;
    for (auto const& option : options) {
        auto const* value = map.find(option.name);
        if (value == nullptr && option.by_default.is_null()) {
            auto accepted = option.choices;
            for (auto& choice : accepted) choice = fmt::format("{}: {{{}: {}}}", name, option.name, choice);
            refuse(place, fmt::format("workload {} needs '{}'", name, option.name), accepted);
        }
        if (value == nullptr) continue;
        std::vector<WorkloadEntry> more;
        for (auto const& entry : entries) {
            for (auto const* item : one_or_more(*value)) {
                more.push_back(entry);
                auto chosen = value_of(*item, option, files);
                if (chosen == option.by_default) continue;
                more.back().options[option.name] = std::move(chosen);
                if (option.kind == WorkloadOption::Kind::file)
                    more.back().locator["files"][option.name] = files.absolute(*item, item->text);
            }
        }
        entries = std::move(more);
    }
    return entries;
}

void check(WorkloadEntry const& entry, YamlValue const& place, Vocabulary const& vocabulary) {
    if (!vocabulary.check_workload) return;
    try {
        vocabulary.check_workload(entry.name, entry.options, entry.locator);
    } catch (ConfigError const& error) {
        if (!error.place().file.empty()) throw;  // a place in one of its files
        throw error.at(place.place);
    }
}

}  // namespace

Json given_options(std::string const& workload, YamlValue const& options, SourceFiles const& files,
                   Vocabulary const& vocabulary) {
    static std::vector<WorkloadOption> const none;
    auto const known = vocabulary.workload_options.find(workload);
    auto const& all = known == vocabulary.workload_options.end() ? none : known->second;
    std::vector<std::string> keys;
    for (auto const& option : all) keys.push_back(option.name);
    YamlMap const map(options, keys);
    Json given = Json::object();
    for (auto const& option : all) {
        auto const* const value = map.find(option.name);
        if (value == nullptr) continue;
        auto chosen = value_of(*value, option, files);
        given[option.name] = chosen == option.by_default ? Json() : std::move(chosen);
    }
    return given;
}

std::string WorkloadEntry::option(std::string const& key) const {
    auto const found = options.find(key);
    if (found == options.end()) return {};
    return found->is_string() ? found->get<std::string>() : found->dump();
}

std::vector<WorkloadEntry> workloads_of(YamlValue const& list, SourceFiles const& files, Vocabulary const& vocabulary) {
    std::vector<WorkloadEntry> all;
    for (auto const& item : items_of(list)) {
        YamlValue name = item;
        YamlValue const* options = nullptr;
        if (item.kind == YamlValue::Kind::map) {
            if (item.entries.size() != 1) refuse(item, "expected one workload", {"NAME", "NAME: {option: value}"});
            name = {};
            name.kind = YamlValue::Kind::scalar;
            name.text = item.entries[0].key;
            name.path = item.path;
            name.place = item.entries[0].key_place;
            options = &item.entries[0].value;
        }
        auto const workload = choice_of(name, "workload", vocabulary.workloads);
        auto const known = vocabulary.workload_options.find(workload);
        static std::vector<WorkloadOption> const none;
        for (auto& entry : entries_of(workload, options, item, files,
                                      known == vocabulary.workload_options.end() ? none : known->second)) {
            if (std::find(all.begin(), all.end(), entry) != all.end()) continue;
            check(entry, item, vocabulary);
            all.push_back(std::move(entry));
        }
    }
    return all;
}

}  // namespace kvstone
