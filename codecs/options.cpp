#include "codecs/options.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

template <class Number>
std::optional<Number> parse_number(std::string const& text) {
    Number number{};
    auto const* const end = text.data() + text.size();
    auto const result = std::from_chars(text.data(), end, number);
    if (result.ec != std::errc{} || result.ptr != end) return std::nullopt;
    return number;
}

}  // namespace

std::string OptionSpec::accepted() const {
    if (type == Type::choice) return fmt::format("{}", fmt::join(choices, "|"));
    if (type == Type::text) return "TEXT";
    if (type == Type::integer) return fmt::format("{}..{}", low, high);
    return fmt::format("{}{}, {}]", low_excluded ? '(' : '[', low, high);
}

std::string OptionSpec::canonical(std::string const& value) const {
    if (type == Type::text) return value;
    if (type == Type::choice) {
        if (std::ranges::find(choices, value) != choices.end()) return value;
        throw ConfigError("unknown value of option " + name, value, choices);
    }
    auto const refuse = [&](char const* why) -> ConfigError {
        return ConfigError(fmt::format("option {} {}", name, why), value, {accepted()});
    };
    if (type == Type::integer) {
        auto const number = parse_number<std::int64_t>(value);
        if (!number) throw refuse("takes a whole number");
        if (static_cast<double>(*number) < low || static_cast<double>(*number) > high) throw refuse("is out of range");
        return std::to_string(*number);
    }
    auto const number = parse_number<double>(value);
    if (!number || !std::isfinite(*number)) throw refuse("takes a number");
    if (*number < low || *number > high || (low_excluded && *number == low)) throw refuse("is out of range");
    return fmt::format("{}", *number == 0 ? 0.0 : *number);
}

OptionSpec choice_option(std::string name, std::optional<std::string> default_value, std::vector<std::string> choices,
                         std::string help) {
    OptionSpec spec;
    spec.name = std::move(name);
    spec.type = OptionSpec::Type::choice;
    spec.default_value = std::move(default_value);
    spec.choices = std::move(choices);
    spec.help = std::move(help);
    return spec;
}

OptionSpec integer_option(std::string name, std::optional<std::int64_t> default_value, std::int64_t low,
                          std::int64_t high, std::string help) {
    OptionSpec spec;
    spec.name = std::move(name);
    spec.type = OptionSpec::Type::integer;
    if (default_value) spec.default_value = std::to_string(*default_value);
    spec.low = static_cast<double>(low);
    spec.high = static_cast<double>(high);
    spec.help = std::move(help);
    return spec;
}

OptionSpec number_option(std::string name, std::optional<double> default_value, double low, double high,
                         bool low_excluded, std::string help) {
    OptionSpec spec;
    spec.name = std::move(name);
    spec.type = OptionSpec::Type::number;
    if (default_value) spec.default_value = fmt::format("{}", *default_value);
    spec.low = low;
    spec.high = high;
    spec.low_excluded = low_excluded;
    spec.help = std::move(help);
    return spec;
}

OptionSpec text_option(std::string name, std::optional<std::string> default_value, std::string help) {
    OptionSpec spec;
    spec.name = std::move(name);
    spec.type = OptionSpec::Type::text;
    spec.default_value = std::move(default_value);
    spec.help = std::move(help);
    return spec;
}

Options::Options(std::string const& stage, std::vector<OptionSpec> const& specs,
                 std::vector<std::pair<std::string, std::string>> const& given) {
    for (auto const& [name, value] : given) {
        auto const spec = std::ranges::find(specs, name, &OptionSpec::name);
        if (spec == specs.end()) {
            std::vector<std::string> names;
            for (auto const& known : specs) names.push_back(known.name);
            throw ConfigError(fmt::format("{} has no such option", stage), name, names);
        }
        if (!values_.emplace(name, spec->canonical(value)).second) {
            throw ConfigError(fmt::format("option of {} given twice", stage), name);
        }
    }
    for (auto const& spec : specs) {
        if (values_.contains(spec.name)) continue;
        if (!spec.default_value) {
            throw ConfigError(fmt::format("{} needs its option {}", stage, spec.name), stage,
                              {fmt::format("{}:{}={}", stage, spec.name, spec.accepted())});
        }
        values_.emplace(spec.name, *spec.default_value);
    }
}

std::int64_t Options::integer(std::string const& name) const { return *parse_number<std::int64_t>(values_.at(name)); }

double Options::number(std::string const& name) const { return *parse_number<double>(values_.at(name)); }

}  // namespace kvstone
