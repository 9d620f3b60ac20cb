#include "results/query/show_text.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "scenarios/errors.hpp"

namespace kvstone {

std::string formatted(Notation notation, double value) {
    switch (notation) {
        case Notation::decimals:
            return fmt::format("{:.6f}", value);
        case Notation::error:
            return value == 0 ? "0" : fmt::format("{:.2e}", value);
        case Notation::count:
            return fmt::format("{:.0f}", value);
        case Notation::ratio:
            break;
    }
    return std::abs(value) < 100 ? fmt::format("{:.3f}", value) : fmt::format("{:.1f}", value);
}

std::string text(QueryValue const& value) {
    if (auto const* string = std::get_if<std::string>(&value)) return *string;
    if (auto const* integer = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *integer);
    return {};
}

std::string energy_domains_sql(std::string_view campaign) {
    return fmt::format(
        "(SELECT group_concat(energy, ' and ') FROM (SELECT DISTINCT json_extract(facts, '$.energy') AS "
        "energy FROM host WHERE id IN (SELECT host FROM attempt WHERE campaign = {}) ORDER BY energy))",
        campaign);
}

std::string title_sql(std::string_view options) {
    // Files are known by their hashes, of which eight digits are enough for people.
    return fmt::format(
        "workload || coalesce(' ' || json_replace({0}, '$.file', substr(json_extract({0}, '$.file'), 1, 8), "
        "'$.labels', "
        "substr(json_extract({0}, '$.labels'), 1, 8)), '') || '  ' || source_name || iif(context > 0, '  ' || context "
        "|| "
        "' tokens', '') || iif(batch > 1, '  batch ' || batch, '') || iif(page <> 16, '  pages of ' || page, '') || '  "
        "' "
        "|| backend || iif(threads > 0, '  ' || threads || ' threads', '')",
        options);
}

std::string campaign_meant(Store const& store, std::string const& given) {
    if (given.empty()) {
        auto const newest = query(store, "SELECT campaign FROM v_newest");
        if (newest.rows.empty()) throw ConfigError("the database has no campaign yet");
        return text(newest.rows[0][0]);
    }
    constexpr std::size_t most_named = 12;
    std::vector<std::string> all, matching;
    bool of_night = false;
    for (auto const& row : query(store, "SELECT uid, night FROM campaign ORDER BY resumed_utc DESC, id DESC").rows) {
        all.push_back(text(row[0]));
        bool const is_of_night = text(row[1]) == given;
        // What was asked for in full goes before what only begins so.
        if (is_of_night && !std::exchange(of_night, true)) matching.clear();
        if (is_of_night || (!of_night && all.back().starts_with(given))) matching.push_back(all.back());
    }
    if (matching.size() == 1) return matching[0];
    if (all.empty()) throw ConfigError("the database has no campaign yet");
    auto named = matching.empty() ? all : matching;
    std::string message = matching.empty() ? "no campaign has this id"
                          : of_night       ? "more than one campaign is of this night"
                                           : "more than one campaign has an id that starts with this";
    if (named.size() > most_named) {
        message += fmt::format(" (there are {}; the {} last run are named)", named.size(), most_named);
        named.resize(most_named);
    }
    throw ConfigError(message, given, named);
}

bool has_view(Store const& store, std::string const& name) {
    return !query(store,
                  "SELECT 1 FROM sqlite_schema WHERE type = 'view' AND name = ?1 UNION ALL SELECT 1 FROM "
                  "sqlite_temp_schema WHERE type = 'view' AND name = ?1",
                  {name})
                .rows.empty();
}

}  // namespace kvstone
