#include "results/verdict/nights.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

#include "results/query/query.hpp"
#include "results/query/show_text.hpp"

namespace kvstone {
namespace {

/// The newest answer of each campaign's gates by this policy as a whole.
struct Answer {
    Verdict verdict = Verdict::pass;
    std::string since;  ///< the campaign of the first night of a regression; empty: it tells none
};
std::map<std::string, Answer> answers(Store const& store, std::string const& policy) {
    std::map<std::string, Answer> found;
    for (auto const& row :
         query(store,
               "SELECT json_extract(head, '$.campaign'), judgement, json_extract(settings, '$.since') FROM gate_run "
               "WHERE "
               "policy_name = ?1 AND kind = 'stored' AND json_extract(settings, '$.rules') IS NULL ORDER BY "
               "finished_utc, id",
               {policy})
             .rows)
        found[text(row[0])] = {verdict_named(text(row[1])), text(row[2])};
    return found;
}

/// Nights are good by their own gates, unless a later gate found a change that began before them.
void mark_good(std::vector<Night>& nights, std::map<std::string, Answer> const& answers) {
    for (std::size_t i = 0; i < nights.size(); ++i) {
        auto const answer = answers.find(nights[i].campaign);
        if (answer == answers.end()) continue;
        nights[i].good = answer->second.verdict <= Verdict::inconclusive;
        auto const first = std::ranges::find(nights.begin(), nights.begin() + static_cast<std::ptrdiff_t>(i),
                                             answer->second.since, &Night::campaign);
        for (auto night = first; night != nights.begin() + static_cast<std::ptrdiff_t>(i); ++night) night->good = false;
    }
}

bool means(std::string const& word, Night const& night) {
    return night.name == word || (!word.empty() && night.campaign.starts_with(word));
}

void expect_known(std::vector<std::string> const& words, std::vector<Night> const& nights, char const* option) {
    for (auto const& word : words)
        if (word != "all" && std::ranges::none_of(nights, [&](Night const& night) { return means(word, night); })) {
            std::vector<std::string> names;
            for (auto const& night : nights) names.push_back(night.name);
            throw ConfigError(fmt::format("{} names no night of this scenario on this hardware", option), word, names);
        }
}

bool names(std::vector<std::string> const& words, Night const& night) {
    return std::ranges::any_of(words, [&](auto const& word) { return word == "all" || means(word, night); });
}

/// Campaign ids of the nights of a campaign's scenario and hardware class, the oldest first, up to that campaign.
std::vector<Night> nights_like(Store const& store, std::string const& head) {
    std::vector<Night> nights;
    for (auto const& row :
         query(store,
               "SELECT c.night, c.uid FROM campaign c JOIN campaign h ON h.uid = ?1 WHERE c.night IS NOT NULL AND "
               "c.scenario = h.scenario AND c.hardware_class = h.hardware_class AND (c.started_utc < h.started_utc OR "
               "c.id = h.id) ORDER BY c.started_utc, c.id",
               {head})
             .rows)
        nights.push_back({text(row[0]), text(row[1])});
    return nights;
}

std::string head_of(Store const& store, std::string const& word) {
    auto const found =
        query(store,
              "SELECT uid FROM campaign WHERE night IS NOT NULL AND (?1 = '' OR night = ?1 OR substr(uid, "
              "1, length(?1)) = ?1) ORDER BY started_utc DESC, id DESC LIMIT 1",
              {word})
            .rows;
    if (found.empty())
        throw ConfigError(word.empty() ? "the database has no night" : "no night has this name", word,
                          {"kvstone run SCENARIO --night NAME measures one"});
    return text(found[0][0]);
}

}  // namespace

NightSeries read_nights(std::string const& database, GatePolicy const& policy, NightOptions const& options,
                        std::span<std::string const> metrics) {
    auto const store = Store::open_read_only(database);
    auto nights = nights_like(store, head_of(store, options.head));
    expect_known(options.good, nights, "--good");
    expect_known(options.dropped, nights, "--drop");
    if (!options.since.empty()) {
        expect_known({options.since}, nights, "--since");
        nights.erase(nights.begin(),
                     std::ranges::find_if(nights, [&](Night const& night) { return means(options.since, night); }));
    }
    if (!options.head.empty() && names(options.dropped, nights.back()))
        throw ConfigError("--drop leaves out the night that --head names", options.head);
    std::erase_if(nights, [&](Night const& night) { return names(options.dropped, night); });
    if (nights.empty()) throw ConfigError("--drop leaves out every night", options.dropped.front());
    mark_good(nights, answers(store, policy.name));
    for (auto& night : nights) night.good = night.good || names(options.good, night);
    // Older nights can be neither among the last ones nor among those that are compared with.
    NightSeries series{{}, options.most_good};
    std::size_t good = 0;
    for (auto night = nights.rbegin(); night != nights.rend(); ++night) {
        auto const place = static_cast<std::size_t>(night - nights.rbegin());
        bool const recent = place < night_lengths.back();
        if (!recent && good == options.most_good) break;
        if (!recent && night->good) ++good;
        if (recent || night->good) series.nights.push_back(std::move(*night));
    }
    std::ranges::reverse(series.nights);
    for (auto& night : series.nights) night.side = read_side(database, night.campaign, {}, metrics);
    return series;
}

Json to_json(NightSeries const& series) {
    Json nights = Json::array();
    for (auto const& night : series.nights)
        nights.push_back({{"name", night.name}, {"campaign", night.campaign}, {"good", night.good}});
    return {{"nights", std::move(nights)}, {"most_good", series.most_good}};
}

NightSeries night_series_from_json(Json const& json, std::string const& database,
                                   std::span<std::string const> metrics) {
    NightSeries series{{}, json.at("most_good").get<std::size_t>()};
    for (auto const& night : json.at("nights"))
        series.nights.push_back({night.at("name").get<std::string>(), night.at("campaign").get<std::string>(),
                                 night.at("good").get<bool>(),
                                 read_side(database, night.at("campaign").get<std::string>(), {}, metrics)});
    return series;
}

Night const* last_good(NightSeries const& series) {
    for (std::size_t i = series.nights.size() - 1; i-- > 0;)
        if (series.nights[i].good) return &series.nights[i];
    return nullptr;
}

NightTiming night_timing(NightSeries const& series, std::string const& cell, std::size_t metric,
                         std::size_t component) {
    NightTiming timing;
    double const sign = metrics()[metric].better == Better::higher ? -1 : 1;
    for (auto const& night : series.nights) {
        auto const found = std::ranges::find(night.side.cells, cell, [](SideCell const& it) { return it.cell.id; });
        if (found == night.side.cells.end() || found->status != "ok") continue;
        auto const values = sorted_values(find_figures(*found, metric, component));
        if (values.empty() || values.front() <= 0) continue;
        timing.values.push_back({sign * std::log(*median_value(find_figures(*found, metric, component))), night.good});
        timing.nights.push_back(&night);
        if (!night.good) continue;
        auto& logs = timing.processes.emplace_back();
        for (double const value : values) logs.push_back(sign * std::log(value));
    }
    return timing;
}

std::size_t night_tests(std::vector<PolicyRule> const& rules, Side const& head) {
    std::size_t tests = 0;
    for (auto const& rule : rules)
        for (auto const& cell : head.cells)
            if (rule.timed() && cell.status == "ok" && rule.source.cells.takes(cell.cell))
                tests += components_of(rule.source.component, rule.metric, cell).size();
    return tests;
}

}  // namespace kvstone
