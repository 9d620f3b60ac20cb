// Every figure of one metric by commit and night, as `show --history` has it. Figures are sorted and compared here, by
// numbers: in SQL (v_history) each would carry the texts of its cell and campaign through two sorts.

#include <algorithm>
#include <cmath>
#include <tuple>
#include <unordered_map>

#include <fmt/format.h>

#include "results/query/show.hpp"
#include "results/query/show_text.hpp"
#include "results/record/build.hpp"
#include "results/record/metrics.hpp"
#include "results/statistics/change_points.hpp"
#include "results/store/sqlite.hpp"
#include "scenarios/errors.hpp"

namespace kvstone {
namespace {

using Row = std::vector<QueryValue>;

// ?1: the campaign at which histories end, on its hardware and of its cells; empty: all campaigns.
constexpr auto cells_sql = R"sql(
SELECT id, uid, codec_name, workload, source_name, nullif(context, 0) FROM cell WHERE ?1 = '' OR id IN
  (SELECT cell FROM expected WHERE campaign = (SELECT id FROM campaign WHERE uid = ?1))
ORDER BY workload, source_name, context, codec_name, uid
)sql";
enum CellColumn : std::size_t { cell_uid = 1, cell_codec, cell_workload, cell_source, cell_context };

// Of two edits of a commit none is called the same build, as in v_history.
constexpr auto campaigns_sql = R"sql(
SELECT c.id, c.hardware_class, coalesce(c.night, substr(c.started_utc, 1, 10)), {}, b.toolchain,
  iif(b.source_hash <> '' OR b.git_sha NOT LIKE '%-dirty' AND b.git_sha <> 'unknown', c.build, NULL)
FROM campaign c JOIN build b ON b.id = c.build WHERE ?1 = '' OR c.uid = ?1 OR
  (c.hardware_class, 1) = (SELECT l.hardware_class, c.started_utc < l.started_utc FROM campaign l WHERE l.uid = ?1)
ORDER BY c.hardware_class, c.started_utc, c.id
)sql";
enum CampaignColumn : std::size_t { hardware_class = 1, its_night, its_build, its_toolchain, known_build };

/// A figure of a cell and campaign, by their places in the rows above.
struct NightFigure {
    std::size_t cell = 0;
    std::string component;
    std::size_t campaign = 0;
    std::optional<double> value;
    auto key() const { return std::tie(cell, component, campaign); }
};

std::unordered_map<std::int64_t, std::size_t> places_of(std::vector<Row> const& rows) {
    std::unordered_map<std::int64_t, std::size_t> places;
    for (auto const& row : rows) places.emplace(std::get<std::int64_t>(row.front()), places.size());
    return places;
}

std::vector<NightFigure> read_figures(Store const& store, std::string const& metric, std::vector<Row> const& cells,
                                      std::vector<Row> const& campaigns) {
    auto const cell_places = places_of(cells);
    auto const campaign_places = places_of(campaigns);
    Statement figure(store.connection(),
                     "SELECT cell, campaign, component, value FROM v_value WHERE metric = (SELECT id FROM metric WHERE "
                     "name = ?)");
    figure.with(metric);
    std::vector<NightFigure> figures;
    while (figure.step()) {
        auto const cell = cell_places.find(figure.integer(0));
        auto const campaign = campaign_places.find(figure.integer(1));
        if (cell == cell_places.end() || campaign == campaign_places.end()) continue;
        figures.push_back({cell->second, figure.text(2), campaign->second, {}});
        if (!figure.is_null(3)) figures.back().value = figure.real(3);
    }
    std::ranges::sort(figures, {}, &NightFigure::key);
    return figures;
}

QueryValue change_percent(std::optional<double> before, double now) {
    if (before.value_or(0) == 0) return nullptr;
    return 100 * (now - *before) / std::abs(*before);
}

/// How alike the builds of two campaigns are.
QueryValue sameness(Row const& before, Row const& now) {
    bool const known = now[known_build] != QueryValue(nullptr);
    if (known && now[known_build] == before[known_build]) return std::string("binary");
    return now[its_toolchain] == before[its_toolchain] ? QueryValue(std::string("toolchain")) : nullptr;
}

}  // namespace

QueryResult history_rows(Store const& store, std::string const& metric, std::string const& campaign) {
    auto const* known = find_metric(metric);
    if (known == nullptr) throw ConfigError("no metric has this name (`kvstone list metrics`)", metric);
    auto const last = campaign.empty() ? campaign : campaign_meant(store, campaign);
    auto const cells = query(store, cells_sql, {last}).rows;
    auto const campaigns = query(store, fmt::format(campaigns_sql, campaign_build_sql("c.uid")), {last}).rows;
    auto const figures = read_figures(store, metric, cells, campaigns);
    QueryResult result{{"cell", "component", "hardware_class", "codec", "workload", "source", "context", "night",
                        "build", "value", "change_percent", "same", "moved"},
                       {}};
    result.rows.reserve(figures.size());
    for (auto first = figures.begin(); first != figures.end();) {
        auto const& hardware = campaigns[first->campaign][hardware_class];
        auto const ends = std::find_if(first, figures.end(), [&](NightFigure const& figure) {
            return figure.cell != first->cell || figure.component != first->component ||
                   campaigns[figure.campaign][hardware_class] != hardware;
        });
        auto const begun = result.rows.size();
        std::vector<double> series;
        for (auto at = first; at != ends; ++at) {
            if (!at->value) continue;
            auto const& of = cells[at->cell];
            auto const& now = campaigns[at->campaign];
            auto const before = at == first ? at : at - 1;
            result.rows.push_back({of[cell_uid], at->component, hardware, of[cell_codec], of[cell_workload],
                                   of[cell_source], of[cell_context], now[its_night], now[its_build], *at->value,
                                   at == first ? nullptr : change_percent(before->value, *at->value),
                                   at == first ? nullptr : sameness(campaigns[before->campaign], now), nullptr});
            series.push_back(*at->value);
        }
        for (auto const place : change_points(series, known->deterministic))
            result.rows[begun + place].back() = std::string("moved");
        first = ends;
    }
    return result;
}

}  // namespace kvstone
