#pragma once
// The project's JSON. Its functions are compiled once, in json.cpp: as templates, they would be compiled in every file
// that uses them.

#include <string_view>

#include <nlohmann/json.hpp>

extern template class nlohmann::basic_json<>;

namespace kvstone {

using Json = nlohmann::json;

/// Throws Json::parse_error, and Json::out_of_range where a number is larger than a double takes (1e999).
Json parse_json(std::string_view text);

/// Discarded (Json::is_discarded()) where the text is no JSON.
Json parse_json_or_discard(std::string_view text);

}  // namespace kvstone
