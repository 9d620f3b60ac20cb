#include "scenarios/yaml_reader.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include <fmt/format.h>

#include "scenarios/text.hpp"

namespace kvstone {
namespace {

using Kind = YamlValue::Kind;

std::string shown(YamlValue const& value) {
    switch (value.kind) {
        case Kind::nothing:
            return "nothing";
        case Kind::scalar:
            return excerpt(value.text);
        case Kind::list:
            return "a list";
        case Kind::map:
            return "a map";
    }
    return {};
}

std::string told(YamlValue const& value, std::string const& what) {
    return value.path.empty() ? what : value.path + ": " + what;
}

/// The whole of a decimal text without sign or leading zeros.
std::optional<std::uint64_t> whole_number(std::string_view text) {
    if (text.size() > 1 && text[0] == '0') return std::nullopt;
    std::uint64_t number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

struct Unit {
    std::string_view name;
    double factor;
};

/// "NUMBER UNIT", or nothing.
std::optional<double> quantity(YamlValue const& value, std::vector<Unit> const& units) {
    if (value.kind != Kind::scalar) return std::nullopt;
    std::string_view const text = value.text;
    double number = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || !std::isfinite(number) || std::signbit(number)) return std::nullopt;
    auto name = text.substr(static_cast<std::size_t>(end - text.data()));
    while (!name.empty() && name[0] == ' ') name.remove_prefix(1);
    for (auto const& unit : units)
        if (unit.name == name) return number * unit.factor;
    return std::nullopt;
}

}  // namespace

void refuse(YamlValue const& value, std::string const& what, std::vector<std::string> accepted) {
    throw ConfigError(told(value, what), shown(value), std::move(accepted), value.place);
}

YamlValue scalar_of(std::string const& option, std::string const& text) {
    YamlValue value;
    value.kind = YamlValue::Kind::scalar;
    value.text = text;
    value.path = option;
    return value;
}

YamlMap::YamlMap(YamlValue const& value, std::vector<std::string> const& keys) : value_(value) {
    if (value.kind != Kind::map) refuse(value, "expected a map", keys);
    for (auto const& entry : value.entries)
        if (std::find(keys.begin(), keys.end(), entry.key) == keys.end())
            throw ConfigError(told(value, "unknown key"), excerpt(entry.key), keys, entry.key_place);
}

YamlValue const* YamlMap::find(std::string_view key) const {
    auto const found = std::find_if(value_.entries.begin(), value_.entries.end(),
                                    [key](YamlEntry const& entry) { return entry.key == key; });
    return found == value_.entries.end() ? nullptr : &found->value;
}

YamlValue const& YamlMap::at(std::string_view key) const {
    if (auto const* found = find(key)) return *found;
    throw ConfigError(told(value_, "missing key"), std::string(key), {}, value_.place);
}

std::vector<YamlValue> const& items_of(YamlValue const& value) {
    if (value.kind != Kind::list) refuse(value, "expected a list");
    if (value.items.empty()) refuse(value, "expected at least one item");
    return value.items;
}

std::vector<YamlValue const*> one_or_more(YamlValue const& value) {
    if (value.kind != Kind::list) return {&value};
    std::vector<YamlValue const*> all;
    for (auto const& item : items_of(value)) all.push_back(&item);
    return all;
}

std::string const& text_of(YamlValue const& value) {
    if (value.kind != Kind::scalar || value.text.empty()) refuse(value, "expected a text");
    bool const one_line = std::none_of(value.text.begin(), value.text.end(), [](char character) {
        return static_cast<unsigned char>(character) < 0x20 || character == 0x7f;
    });
    if (!one_line) refuse(value, "expected one line without control characters");
    return value.text;
}

std::string choice_of(YamlValue const& value, std::string const& what, std::vector<std::string> const& accepted) {
    if (value.kind != Kind::scalar) refuse(value, "expected a " + what, accepted);
    if (std::find(accepted.begin(), accepted.end(), value.text) == accepted.end())
        refuse(value, "unknown " + what, accepted);
    return value.text;
}

std::uint64_t whole_number_of(YamlValue const& value, std::uint64_t least, std::uint64_t most) {
    if (value.kind == Kind::scalar && !value.quoted)
        if (auto const number = whole_number(value.text); number && *number >= least && *number <= most) return *number;
    refuse(value, fmt::format("expected a whole number from {} to {}", least, most));
}

double number_of(YamlValue const& value) {
    if (value.kind == Kind::scalar && !value.quoted) {
        auto const* const last = value.text.data() + value.text.size();
        double number = 0;
        auto const [end, error] = std::from_chars(value.text.data(), last, number);
        if (error == std::errc{} && end == last && std::isfinite(number)) return number;
    }
    refuse(value, "expected a finite number");
}

bool switch_of(YamlValue const& value) {
    auto const text = choice_of(value, "switch", {"on", "off", "true", "false"});
    return text == "on" || text == "true";
}

double duration_s_of(YamlValue const& value) {
    auto const seconds = quantity(value, {{"ms", 1e-3}, {"s", 1}, {"min", 60}, {"h", 3600}});
    if (!seconds || *seconds > 3.6e6)
        refuse(value, "expected a time of at most 1000 h", {"300 ms", "0.3 s", "2 min", "1 h"});
    return *seconds;
}

std::uint64_t bytes_of(YamlValue const& value) {
    constexpr double kibi = 1024;
    auto const bytes = quantity(value, {{"B", 1},
                                        {"kB", 1e3},
                                        {"MB", 1e6},
                                        {"GB", 1e9},
                                        {"TB", 1e12},
                                        {"KiB", kibi},
                                        {"MiB", kibi * kibi},
                                        {"GiB", kibi * kibi * kibi},
                                        {"TiB", kibi * kibi * kibi * kibi}});
    if (!bytes || *bytes < 1 || *bytes > 1e18)
        refuse(value, "expected a size of at least 1 B", {"4096 B", "100 kB", "512 MiB", "4 GiB"});
    return static_cast<std::uint64_t>(*bytes);
}

std::uint64_t tokens_of(YamlValue const& value) {
    constexpr std::uint64_t most = 1'000'000'000;
    if (value.kind == Kind::scalar && value.text == "all") return 0;
    if (value.kind == Kind::scalar && !value.text.empty()) {
        std::string_view digits = value.text;
        std::uint64_t const factor = digits.back() == 'k' ? 1024 : digits.back() == 'M' ? 1024 * 1024 : 1;
        if (factor > 1) digits.remove_suffix(1);
        auto const number = whole_number(digits);
        if (number && *number >= 1 && *number <= most / factor) return *number * factor;
    }
    refuse(value, fmt::format("expected a number of tokens up to {}", most), {"512", "32k", "1M", "all"});
}

}  // namespace kvstone
