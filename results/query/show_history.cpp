// `show --history`: one metric by commit and night.

#include <ostream>

#include <fmt/ostream.h>

#include "results/query/show.hpp"
#include "results/query/show_text.hpp"
#include "results/record/build.hpp"
#include "results/record/metrics.hpp"
#include "results/record/wrapped.hpp"
#include "results/statistics/change_points.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

// The first four columns tell one history from another.
constexpr auto sql = R"sql(
SELECT cell, component, hardware_class, codec_name AS codec, workload, source, context, night, {} AS build,
  value, change_percent, CASE WHEN same_binary THEN 'binary' WHEN same_toolchain THEN 'toolchain' END AS same
FROM v_history WHERE metric = ?1 AND value IS NOT NULL AND (?2 = '' OR (
  hardware_class = (SELECT hardware_class FROM campaign WHERE uid = ?2)
  AND (campaign = ?2 OR started_utc < (SELECT started_utc FROM campaign WHERE uid = ?2))
  AND cell IN (SELECT x.uid FROM expected e JOIN cell x ON x.id = e.cell
    WHERE e.campaign = (SELECT id FROM campaign WHERE uid = ?2))))
ORDER BY workload, source, context, codec_name, cell, component, hardware_class, started_utc, campaign
)sql";
constexpr std::size_t value_column = 9;

bool same_history(std::vector<QueryValue> const& a, std::vector<QueryValue> const& b) {
    return std::equal(a.begin(), a.begin() + 4, b.begin());
}

}  // namespace

QueryResult history_rows(Store const& store, std::string const& metric, std::string const& campaign) {
    auto const* known = find_metric(metric);
    if (known == nullptr) throw ConfigError("no metric has this name (`kvstone list metrics`)", metric);
    auto result = query(store, fmt::format(sql, campaign_build_sql("v_history.campaign")),
                        {metric, campaign.empty() ? campaign : campaign_meant(store, campaign)});
    result.columns.emplace_back("moved");
    for (auto& row : result.rows) row.emplace_back(nullptr);
    for (std::size_t first = 0; first < result.rows.size();) {
        std::vector<double> series;
        for (std::size_t i = first; i < result.rows.size() && same_history(result.rows[first], result.rows[i]); ++i)
            series.push_back(std::get<double>(result.rows[i][value_column]));
        for (auto const place : change_points(series, known->deterministic))
            result.rows[first + place].back() = std::string("moved");
        first += series.size();
    }
    return result;
}

void show_history(Store const& store, std::ostream& out, std::string const& metric, ShowOptions const& options) {
    auto result = history_rows(store, metric, options.campaign);
    // People know cells by their members, not by their ids.
    for (auto& row : result.rows) row.erase(row.begin(), row.begin() + 1);
    result.columns.erase(result.columns.begin());
    std::string said;
    print(out, said_once(result, {"codec", "night", "build", "value", "moved"}, said), TableFormat::table,
          options.screen);
    bool const deterministic = find_metric(metric)->deterministic;
    auto const moved =
        deterministic ? std::string("the figure is equal to the last digit between runs, so every change is marked.")
                      : fmt::format("a hint; {:.1f}% of series of 100 quiet nights get one.",
                                    100 * change_point_false_alarms_per_100_nights);
    fmt::print(out, "\n{}\n",
               wrapped(fmt::format("{}{}same: whether a line has the binary of the line before, or at least its "
                                   "toolchain.\nmoved: {}",
                                   said, said.empty() ? "" : "\n", moved),
                       options.screen.columns, 2));
}

}  // namespace kvstone
