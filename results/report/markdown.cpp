#include <ostream>

#include <fmt/ostream.h>

#include "results/query/query.hpp"
#include "results/query/show_text.hpp"
#include "results/record/build.hpp"
#include "results/report/report.hpp"
#include "results/report/tails.hpp"
#include "results/report/verdicts.hpp"
#include "results/store/schema.hpp"

namespace kvstone {
namespace {

void section(std::ostream& out, std::string const& title, QueryResult const& result) {
    if (result.rows.empty()) return;
    fmt::print(out, "\n## {}\n\n", title);
    print(out, result, TableFormat::md);
}

void section(Store const& store, std::ostream& out, std::string const& title, std::string const& sql,
             std::string const& campaign) {
    section(out, title, query(store, sql, {campaign}));
}

/// The view is asked once: it compares every codec with its peers.
void groups(Store const& store, std::ostream& out, std::string const& campaign) {
    auto all =
        query(store,
              "WITH p AS (SELECT *, source AS source_name FROM (" + pareto_sql("c.uid = ?1") + ")) SELECT " +
                  title_sql("nullif(options, '{}')") +
                  " AS title, codec_name AS codec, bits_per_value AS bits, ifnull(error_metric, '') AS \"error "
                  "metric\", error, ifnull(speed_metric, '') AS \"speed metric\", speed, CASE WHEN status <> 'ok' "
                  "THEN status WHEN left_out IS NOT NULL THEN left_out WHEN on_front THEN 'best of its kind' ELSE "
                  "'beaten by ' || beaten_by END AS verdict FROM p ORDER BY min(position) OVER (PARTITION BY peers), "
                  "position",
              {campaign});
    all.columns.erase(all.columns.begin());
    for (std::size_t first = 0; first < all.rows.size();) {
        auto const title = text(all.rows[first][0]);
        QueryResult group{all.columns, {}};
        for (; first < all.rows.size() && text(all.rows[first][0]) == title; ++first)
            group.rows.emplace_back(all.rows[first].begin() + 1, all.rows[first].end());
        section(out, title, group);
    }
    auto const commands =
        query(store, "SELECT count(*) FROM v_pareto WHERE campaign = ?1 AND times_of = 'command' AND left_out IS NULL",
              {campaign});
    if (text(commands.rows.at(0).at(0)) != "0")
        fmt::print(out, "\nA codec that is a command has no speed here: its times are {}.\n", times_of_a_command);
}

/// Pairs of weights and codec, where peers have several weights.
std::string pairs_sql() {
    return "WITH p AS (" + pareto_total_sql("c.uid = ?1") +
           ") SELECT source AS weights, codec_name AS codec, total_bytes, weights_bytes, cache_bytes, compute_bytes, "
           "error AS "
           "kld_mean, speed, CASE WHEN left_out IS NOT NULL THEN left_out WHEN beaten_by IS NOT NULL THEN 'beaten by ' "
           "|| "
           "beaten_by || ' on ' || beaten_by_source WHEN rival IS NOT NULL THEN 'within the intervals of ' || rival || "
           "' on "
           "' || rival_source ELSE 'best of its kind' END AS verdict FROM p WHERE peers IN (SELECT peers FROM p GROUP "
           "BY "
           "peers HAVING count(DISTINCT source) > 1) ORDER BY min(position) OVER (PARTITION BY peers), total_bytes IS "
           "NULL, "
           "total_bytes, position";
}

}  // namespace

void write_markdown_report(Store const& store, std::ostream& out, ReportOptions const& options) {
    auto const campaign = campaign_meant(store, options.campaign);
    fmt::print(out, "# KVstone: {}\n", options.name);
    section(
        store, out, "Campaigns",
        "SELECT iif(campaign = ?1, campaign || ' (shown)', campaign) AS campaign, scenario, started_utc, cells, ok, "
        "failed, skipped, missing, " +
            campaign_build_sql("v_campaign.campaign") + " AS build, toolchain, hardware FROM v_campaign",
        campaign);
    groups(store, out, campaign);
    auto const tails = read_tails(store, campaign);
    section(out, "Tails", tails.table);
    for (auto const& note : tails.notes) fmt::print(out, "\nNote: {}.\n", note);
    section(store, out, "Weights and cache", pairs_sql(), campaign);
    section(
        store, out, "Not ok",
        "SELECT source, context, codec_name AS codec, process, status, reason FROM v_failures WHERE campaign = ?1 AND "
        "NOT repeated",
        campaign);
    section(out, "Verdicts of gates", gate_verdicts(store));
    section(
        store, out, "Environments that differ from this campaign's",
        "SELECT other AS campaign, kind, name, value AS here, other_value AS there FROM v_env_diff WHERE campaign = "
        "?1",
        campaign);
}

}  // namespace kvstone
