#include "results/report/positions.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "results/store/sqlite.hpp"

namespace kvstone {
namespace {

constexpr std::array<std::string_view, 5> along_positions{"kld_mean", "kld_p99", "kld_max", "large_kld_share",
                                                          "sure_top1_flips"};

}  // namespace

std::vector<RowSeries> read_positions(Store const& store, ReportTable const& table) {
    auto const tails = std::ranges::find_if(table.columns, [](auto const& of) { return of.metric->name == "kld_max"; });
    if (tails == table.columns.end()) return {};
    Statement figures(
        store.connection(),
        "SELECT p.position, p.value FROM v_current c JOIN profile p ON p.attempt = c.attempt AND p.metric = "
        "(SELECT id FROM metric WHERE name = ?3) AND p.component = 'kv' AND p.layer = -1 AND p.head = -1 "
        "WHERE c.campaign = ?1 AND c.cell = ?2 AND c.process = 0 AND p.position >= 0 AND p.value IS NOT "
        "NULL ORDER BY p.position");
    std::vector<RowSeries> all;
    for (auto const metric : along_positions) {
        RowSeries series{std::string(metric), "kv", std::vector<std::vector<double>>(table.rows.size())};
        bool any = false;
        for (std::size_t i = 0; i < table.rows.size(); ++i) {
            if (std::isnan(tails->values[i])) continue;
            auto const& row = table.rows[i];
            figures.with(table.campaigns[static_cast<std::size_t>(row.campaign)].number, row.cell, metric);
            for (; figures.step(); any = true)
                series.rows[i].insert(series.rows[i].end(), {figures.real(0), figures.real(1)});
        }
        if (any) all.push_back(std::move(series));
    }
    return all;
}

}  // namespace kvstone
