#include "harness/workload_text.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

Workload const& workload_named(std::string const& name) {
    std::vector<std::string> names;
    for (auto const& workload : workloads()) {
        if (workload.name == name) return workload;
        names.push_back(workload.name);
    }
    throw ConfigError("no such workload", name, names);
}

/// A number without leading zeros, or one of the names.
std::string checked_value(WorkloadOption const& option, std::string const& value) {
    if (!option.names.empty()) {
        if (std::ranges::find(option.names, value) == option.names.end())
            throw ConfigError(option.key + ": unknown value", value, option.names);
        return value;
    }
    std::uint64_t number = 0;
    auto const [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc{} || end != value.data() + value.size() || number < option.least || number > option.most)
        throw ConfigError(option.key + ": expected a whole number", value,
                          {fmt::format("{} to {}", option.least, option.most)});
    return std::to_string(number);
}

}  // namespace

WorkloadText parse_workload(std::string const& text) {
    auto const colon = text.find(':');
    WorkloadText parsed{&workload_named(text.substr(0, colon)), {}};
    auto const& options = parsed.workload->options;
    std::vector<std::string> keys;
    for (auto const& option : options) keys.push_back(option.key);
    for (auto begin = colon; begin < text.size();) {
        auto const end = std::min(text.find(',', begin + 1), text.size());
        auto const part = text.substr(begin + 1, end - begin - 1);
        auto const equals = part.find('=');
        auto const key = part.substr(0, equals);
        auto const option = std::ranges::find(options, key, &WorkloadOption::key);
        if (option == options.end())
            throw ConfigError(fmt::format("workload {}: unknown option", parsed.workload->name), key,
                              keys.empty() ? std::vector<std::string>{"none"} : keys);
        if (equals == std::string::npos)
            throw ConfigError("expected KEY=VALUE", part, {key + "=" + option->by_default});
        if (!parsed.values.emplace(key, checked_value(*option, part.substr(equals + 1))).second)
            throw ConfigError("an option given twice", key);
        begin = end;
    }
    for (auto const& option : options) parsed.values.emplace(option.key, option.by_default);
    return parsed;
}

std::string WorkloadText::text() const {
    auto canonical = workload->name;
    char mark = ':';
    for (auto const& option : workload->options) {
        if (values.at(option.key) == option.by_default) continue;
        canonical += fmt::format("{}{}={}", mark, option.key, values.at(option.key));
        mark = ',';
    }
    return canonical;
}

}  // namespace kvstone
