#include <ostream>

#include <fmt/ostream.h>

#include "results/query.hpp"
#include "results/report/report.hpp"
#include "results/show_text.hpp"

namespace kvstone {
namespace {

void section(Store const& store, std::ostream& out, std::string const& title, std::string const& sql,
             std::string const& campaign) {
    auto const result = query(store, sql, {campaign});
    if (result.rows.empty()) return;
    fmt::print(out, "\n## {}\n\n", title);
    print(out, result, TableFormat::md);
}

constexpr auto figures_sql = R"sql(
SELECT codec_name AS codec, bits_per_value AS bits, ifnull(error_metric, '') AS "error metric", error,
  ifnull(speed_metric, '') AS "speed metric", speed,
  CASE WHEN status <> 'ok' THEN status WHEN left_out IS NOT NULL THEN left_out WHEN on_front THEN 'best of its kind'
    ELSE 'beaten by ' || beaten_by END AS verdict
FROM v_pareto WHERE campaign = ?1 AND peers = ?2 ORDER BY position
)sql";

void groups(Store const& store, std::ostream& out, std::string const& campaign) {
    auto const all =
        query(store,
              "SELECT peers, " + title_sql("nullif(options, '{}')") +
                  " FROM (SELECT peers, workload, options, source AS source_name, coalesce(context, 0) AS "
                  "context, batch, page, backend, threads, min(position) FROM v_pareto WHERE campaign = ?1 "
                  "GROUP BY peers ORDER BY min(position))",
              {campaign});
    for (auto const& row : all.rows) {
        fmt::print(out, "\n## {}\n\n", text(row[1]));
        print(out, query(store, figures_sql, {campaign, row[0]}), TableFormat::md);
    }
}

}  // namespace

void write_markdown_report(Store const& store, std::ostream& out, ReportOptions const& options) {
    auto const campaign = campaign_meant(store, options.campaign);
    fmt::print(out, "# KVstone: {}\n", options.name);
    section(
        store, out, "Campaigns",
        "SELECT iif(campaign = ?1, campaign || ' (shown)', campaign) AS campaign, scenario, started_utc, cells, ok, "
        "failed, skipped, missing, substr(git_sha, 1, 12) AS \"commit\", toolchain, hardware FROM v_campaign",
        campaign);
    groups(store, out, campaign);
    section(store, out, "Not ok",
            "SELECT source, context, codec_name AS codec, process, status, reason FROM v_failures WHERE campaign = ?1",
            campaign);
    section(
        store, out, "Environments that differ from this campaign's",
        "SELECT other AS campaign, kind, name, value AS here, other_value AS there FROM v_env_diff WHERE campaign = "
        "?1",
        campaign);
}

}  // namespace kvstone
