#include "results/report/json_text.hpp"

#include <cmath>

#include <fmt/format.h>

#include "scenarios/json.hpp"

namespace kvstone {

std::string json_text(std::string_view text) {
    auto const plain = Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
    std::string safe;
    safe.reserve(plain.size());
    for (char const c : plain)
        if (c == '<')
            safe += "\\u003c";
        else
            safe += c;
    return safe;
}

std::string json_number(std::optional<double> value) {
    return value && std::isfinite(*value) ? fmt::format("{:.6g}", *value) : "null";
}

std::int64_t Dictionary::place_of(std::string const& text) {
    auto const [found, added] = places_.emplace(text, static_cast<std::int64_t>(texts_.size()));
    if (added) texts_.push_back(text);
    return found->second;
}

std::string Dictionary::json() const {
    JsonList list;
    for (auto const& text : texts_) list.add(json_text(text));
    return list.text();
}

void JsonList::add(std::string_view json) {
    if (text_.size() > 1) text_ += ',';
    text_ += json;
}

void JsonObject::add(std::string_view name, std::string_view json) {
    if (text_.size() > 1) text_ += ',';
    text_.append(json_text(name)).append(":").append(json);
}

bool JsonObject::add_within(std::size_t limit_bytes, std::string_view name, std::string_view json) {
    if (text_.size() + name.size() + json.size() > limit_bytes) return false;
    add(name, json);
    return true;
}

}  // namespace kvstone
