#include "results/query/query.hpp"

#include <cctype>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "results/query/canned.hpp"
#include "results/query/reading.hpp"
#include "results/query/show_text.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

constexpr std::size_t result_limit_bytes = std::size_t{1} << 29;

QueryResult collect(Reading& reading, std::string const& sql) {
    QueryResult result{reading.columns(), {}};
    std::size_t total_bytes = 0;
    for (std::vector<QueryValue> row; reading.next(row); row = {}) {
        for (auto const& value : row)
            if (auto const* text = std::get_if<std::string>(&value)) total_bytes += text->size();
        total_bytes += row.size() * sizeof(QueryValue);
        if (total_bytes > result_limit_bytes)
            throw ConfigError(fmt::format("the result is larger than {} MiB: narrow it", result_limit_bytes >> 20),
                              sql);
        result.rows.push_back(std::move(row));
    }
    return result;
}

QueryResult list_canned() {
    QueryResult result{{"query", "what it tells"}, {}};
    for (auto const& canned : canned_queries())
        result.rows.push_back(
            {fmt::format("@{}{}{}", canned.name, canned.parameters.empty() ? "" : " ", canned.parameters),
             std::string(canned.description)});
    return result;
}

std::vector<std::string> words_of(std::string_view text) {
    std::istringstream words{std::string(text)};
    return {std::istream_iterator<std::string>(words), {}};
}

std::string lower(std::string word) {
    for (auto& c : word) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return word;
}

QueryValue newest_campaign(Store const& store) {
    auto const found = query(store, "SELECT campaign FROM v_newest");
    return found.rows.empty() ? QueryValue(nullptr) : found.rows[0][0];
}

/// The canned query that "@NAME WORDS..." names, its words as parameters; `campaign` null: the one it takes by itself.
QueryResult run_canned(Store const& store, std::string const& text, QueryValue const& campaign, double time_limit_s) {
    auto words = words_of(text.substr(1));
    auto const name = words.empty() ? std::string() : words.front();
    if (!words.empty()) words.erase(words.begin());
    if (name == "list") return list_canned();
    std::vector<std::string> known{"list"};
    for (auto const& canned : canned_queries()) {
        known.emplace_back(canned.name);
        if (canned.name != name) continue;
        auto const wanted = words_of(canned.parameters);
        if (words.size() != wanted.size())
            throw ConfigError(
                fmt::format("this query is asked as: @{}{}{}", name, wanted.empty() ? "" : " ", canned.parameters),
                text);
        auto const newest = campaign == QueryValue(nullptr) ? newest_campaign(store) : campaign;
        Reading reading(store, std::string(canned.sql), time_limit_s);
        for (std::size_t i = 0; i < wanted.size(); ++i)
            if (!reading.bind(lower(wanted[i]), words[i]))
                throw std::logic_error(fmt::format("@{} has no parameter :{}", name, lower(wanted[i])));
        bool const about_all = reading.bind("campaign", campaign);
        bool const about_one = reading.bind("newest", newest);
        if (!about_all && !about_one && campaign != QueryValue(nullptr))
            throw ConfigError("this query is not about one campaign", text);
        return collect(reading, text);
    }
    throw ConfigError("no query has this name", name, known);
}

}  // namespace

QueryResult query(Store const& store, std::string const& sql, std::vector<QueryValue> const& parameters,
                  double time_limit_s) {
    if (sql.starts_with('@')) return run_canned(store, sql, nullptr, time_limit_s);
    Reading reading(store, sql, time_limit_s);
    reading.bind(parameters);
    return collect(reading, sql);
}

QueryResult query_of_campaign(Store const& store, std::string const& canned, std::string const& campaign) {
    return run_canned(store, canned, campaign_meant(store, campaign), unlimited_s);
}

}  // namespace kvstone
