#include "results/canned.hpp"

#include <array>

namespace kvstone {
namespace {

constexpr std::array table{
    CannedQuery{"latest", "", "Every figure of the newest campaign",
                "SELECT * FROM v_latest WHERE campaign = (SELECT campaign FROM v_newest)"},
    CannedQuery{"best-by", "METRIC", "Codecs of the newest campaign by one metric, best first",
                "SELECT source, context, component, codec_name, value, unit, better FROM v_latest WHERE campaign = "
                "(SELECT campaign FROM v_newest)"
                " AND metric = ?1 ORDER BY source, context, component, iif(better = 'higher', -value, value)"},
    CannedQuery{"codec", "NAME", "Figures of one codec, by name or text, in the newest campaign",
                "SELECT source, context, component, metric, value, unit FROM v_latest WHERE campaign = (SELECT "
                "campaign FROM v_newest)"
                " AND ?1 IN (codec_name, codec)"},
    CannedQuery{"failures", "", "Attempts that count and are not ok, newest campaign first",
                "SELECT campaign, source, context, codec_name, process, status, reason, signal, host, finished_utc, "
                "attempt FROM v_failures ORDER BY finished_utc DESC"},
    CannedQuery{"missing", "", "What is still owed", "SELECT * FROM v_missing"},
    CannedQuery{"campaigns", "", "Campaigns and their coverage", "SELECT * FROM v_campaign"},
    CannedQuery{
        "cells", "", "Cells of the newest campaign with their state",
        "SELECT cell.uid AS cell, cell.workload, cell.source_name AS source, nullif(cell.context, 0) AS context, "
        "cell.codec_name, cell.backend, coalesce(a.status, 'missing') AS status, a.wall_ns / 1e9 AS wall_s, "
        "a.reason FROM v_current c JOIN campaign ON campaign.id = c.campaign JOIN cell ON cell.id = c.cell LEFT "
        "JOIN attempt a ON a.id = c.attempt WHERE campaign.uid = (SELECT campaign FROM v_newest) ORDER BY c.position, "
        "c.process"},
    CannedQuery{
        "slowest", "", "The 20 attempts that took longest",
        "SELECT a.uid AS attempt, cell.source_name AS source, cell.context, cell.codec_name, a.status, a.wall_ns "
        "/ 1e9 AS wall_s, a.harness_ns / 1e9 AS harness_s FROM attempt a JOIN cell ON cell.id = a.cell ORDER BY "
        "a.wall_ns DESC LIMIT 20"},
    CannedQuery{"published", "", "Our figures of the newest campaign beside published ones",
                "SELECT * FROM v_published WHERE campaign = (SELECT campaign FROM v_newest)"},
    CannedQuery{"published-figures", "", "The same, a row per published figure: reproduced, differing, not comparable",
                "SELECT * FROM v_published_figure WHERE campaign = (SELECT campaign FROM v_newest)"},
    CannedQuery{"targets", "", "Targets of the newest campaign and which codecs pass or fail them",
                "SELECT * FROM v_targets WHERE campaign = (SELECT campaign FROM v_newest)"},
    CannedQuery{"samples", "CELL METRIC", "Raw samples of a cell (its id) and metric, newest attempt first",
                "SELECT a.finished_utc, a.process, s.component, s.position, s.value FROM attempt a JOIN sample s ON "
                "s.attempt = a.id WHERE a.cell = (SELECT id FROM cell WHERE uid = ?1) AND s.metric = (SELECT id FROM "
                "metric WHERE name = ?2) ORDER BY a.finished_utc DESC, a.process, s.component, s.position"},
    CannedQuery{"hosts", "", "Nodes that measured",
                "SELECT name, hardware_name, kernel, governor, (SELECT count(*) FROM attempt WHERE host = host.id) AS "
                "attempts FROM host"},
    CannedQuery{"metrics", "", "Every metric with unit, direction and formula",
                "SELECT name, unit, better, deterministic, formula FROM metric ORDER BY id"},
    CannedQuery{"tables", "", "What tables, views and columns hold", "SELECT * FROM v_notes"},
};

}  // namespace

std::span<CannedQuery const> canned_queries() { return table; }

}  // namespace kvstone
