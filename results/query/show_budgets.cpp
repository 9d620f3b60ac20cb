#include "results/query/show_budgets.hpp"

#include <map>
#include <set>

#include <fmt/format.h>

#include "scenarios/text.hpp"

namespace kvstone {
namespace {

constexpr std::size_t least_budgets = 2;
constexpr std::size_t most_budgets = 7;

// Lines differ in the options that decide about hits, except the budget; max() picks their only figure.
constexpr auto budgets_sql = R"sql(
SELECT substr(codec_name, 1, 16), coalesce(json_extract(options, '$.policy'), 'lru'), substr(source, 1, 14),
  json_extract(options, '$.' || ?2), json_array(codec, source, context, backend, json_remove(options, '$.' || ?2)) AS line,
  max(value)
FROM v_latest WHERE campaign = ?1 AND status = 'ok' AND workload = 'prefix_cache' AND metric = 'token_hit_rate'
  AND value IS NOT NULL AND json_extract(options, '$.' || ?2) IS NOT NULL
GROUP BY 1, 2, 3, 4, 5 ORDER BY 3, 2, 1, line, 4
)sql";

struct Line {
    std::vector<QueryValue> names;
    std::map<std::int64_t, double> rates;  ///< by budget
};

/// Spread evenly where there are too many.
std::vector<std::int64_t> shown_budgets(std::set<std::int64_t> const& all) {
    std::vector<std::int64_t> const budgets(all.begin(), all.end());
    if (budgets.size() <= most_budgets) return budgets;
    std::vector<std::int64_t> shown;
    for (std::size_t i = 0; i < most_budgets; ++i)
        shown.push_back(budgets[i * (budgets.size() - 1) / (most_budgets - 1)]);
    return shown;
}

QueryResult rows_by(Store const& store, std::string const& campaign, std::string const& option) {
    std::vector<Line> lines;
    std::map<std::string, std::size_t> places;
    std::set<std::int64_t> all;
    for (auto const& row : query(store, budgets_sql, {campaign, option}).rows) {
        auto const budget = std::get<std::int64_t>(row[3]);
        auto const [place, is_new] = places.try_emplace(std::get<std::string>(row[4]), lines.size());
        if (is_new) lines.push_back({{row[0], row[1], row[2]}, {}});
        lines[place->second].rates[budget] = std::get<double>(row[5]);
        all.insert(budget);
    }
    QueryResult rows{{"codec", "policy", "source"}, {}};
    if (all.size() < least_budgets) return rows;
    auto const budgets = shown_budgets(all);
    for (auto const budget : budgets)
        rows.columns.push_back(option == "budget" ? size_text(static_cast<std::uint64_t>(budget))
                                                  : fmt::format("{}", budget));
    for (auto const& [names, rates] : lines) {
        auto row = names;
        for (auto const budget : budgets) {
            auto const found = rates.find(budget);
            if (found == rates.end())
                row.emplace_back(nullptr);
            else
                row.emplace_back(fmt::format("{:.4f}", found->second));
        }
        rows.rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace

QueryResult budget_rows(Store const& store, std::string const& campaign) {
    auto rows = rows_by(store, campaign, "budget");
    return rows.rows.empty() ? rows_by(store, campaign, "blocks") : rows;
}

}  // namespace kvstone
