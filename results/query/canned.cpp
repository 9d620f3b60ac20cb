#include "results/query/canned.hpp"

#include <array>
#include <string>

#include <fmt/format.h>

#include "results/record/build.hpp"
#include "results/store/schema.hpp"
#include "results/store/store_state.hpp"

namespace kvstone {
namespace {

std::string const best = fmt::format(
    "SELECT workload, source, context, codec_name, bits_per_value, error_metric, error, speed_metric, speed FROM ({}) "
    "WHERE on_front ORDER BY peers, bits_per_value",
    pareto_sql("c.uid = :newest"));

// As v_history has it, of one metric: texts join behind the sort that the window needs, and the name of a build is made
// once a campaign.
std::string const history = fmt::format(
    "WITH night AS MATERIALIZED (SELECT c.id, c.hardware_class, c.started_utc, c.build, build.toolchain, "
    "coalesce(c.night, substr(c.started_utc, 1, 10)) AS night, {} AS build_name, build.source_hash <> '' OR "
    "build.git_sha NOT LIKE '%-dirty' AND build.git_sha <> 'unknown' AS build_known FROM campaign c JOIN build ON "
    "build.id = c.build), figure AS (SELECT v.cell, v.campaign, v.component, v.value, lag(v.value) OVER earlier AS "
    "previous, lag(v.campaign) OVER earlier AS campaign_before FROM v_value v JOIN campaign c ON c.id = v.campaign "
    "WHERE v.metric = (SELECT id FROM metric WHERE name = :metric) WINDOW earlier AS (PARTITION BY v.cell, "
    "v.component, c.hardware_class ORDER BY c.started_utc, c.id)) "
    "SELECT x.source_name AS source, nullif(x.context, 0) AS context, x.codec_name, f.component, n.night, "
    "n.build_name, f.value, 100 * (f.value - f.previous) / nullif(abs(f.previous), 0) AS change_percent, "
    "n.build = b.build AND n.build_known AS same_binary, n.toolchain = b.toolchain AS same_toolchain FROM figure f "
    "CROSS JOIN cell x ON x.id = f.cell CROSS JOIN night n ON n.id = f.campaign LEFT JOIN night b ON b.id = "
    "f.campaign_before ORDER BY x.source_name, nullif(x.context, 0), x.codec_name, x.uid, f.component, "
    "n.hardware_class, n.started_utc, n.id",
    build_name_sql("build"));

std::string const still_open = fmt::format(
    "SELECT campaign.uid AS campaign, campaign.scenario, campaign.resumed_utc, cell.uid AS cell, c.process "
    "FROM v_current c JOIN campaign ON campaign.id = c.campaign JOIN cell ON cell.id = c.cell LEFT JOIN "
    "attempt a ON a.id = c.attempt WHERE a.id IS NULL OR (a.status = 'node_lost' AND {} < {}) ORDER BY c.campaign, "
    "c.position, c.process",
    losses_of_current, losses_allowed);

std::array const table{
    CannedQuery{"latest", "", "Every figure of the newest campaign", "SELECT * FROM v_latest WHERE campaign = :newest"},
    CannedQuery{
        "best-by", "METRIC", "Codecs of the newest campaign by one metric, best first",
        "SELECT source, context, component, codec_name, value, unit, better FROM v_latest WHERE campaign = "
        ":newest AND metric = :metric ORDER BY source, context, component, iif(better = 'higher', -value, value)"},
    CannedQuery{"best", "", "Codecs of the newest campaign that no other of their kind beats in bits, error and speed",
                best},
    CannedQuery{"history", "METRIC", "One metric by commit and night, each figure beside the one before it", history},
    CannedQuery{
        "environment", "", "Differences between the newest campaign's environment and those of the others",
        "SELECT other, kind, name, value AS here, other_value AS there FROM v_env_diff WHERE campaign = :newest"},
    CannedQuery{
        "per-layer", "METRIC", "One metric of the newest campaign layer by layer: mean, least and most over heads",
        "SELECT workload, source, context, codec_name, component, layer, count(*) AS heads, avg(value) AS mean, "
        "min(value) AS least, max(value) AS most FROM v_profile WHERE campaign = :newest AND metric = :metric AND "
        "layer IS NOT NULL GROUP BY cell, component, layer ORDER BY workload, "
        "source, context, codec_name, cell, component, layer"},
    CannedQuery{"codec", "NAME", "Figures of one codec, by name or text, in the newest campaign",
                "SELECT source, context, component, metric, value, unit FROM v_latest WHERE campaign = :newest "
                "AND :name IN (codec_name, codec)"},
    CannedQuery{"failures", "",
                "Attempts that count and are not ok, and lost ones that were made again (repeated), newest first",
                "SELECT campaign, source, context, codec_name, process, status, reason, signal, host, finished_utc, "
                "attempt, repeated FROM v_failures WHERE campaign = coalesce(:campaign, campaign) ORDER BY "
                "finished_utc DESC"},
    CannedQuery{"missing", "", "Cells that are not measured yet",
                "SELECT * FROM v_missing WHERE campaign = coalesce(:campaign, campaign)"},
    CannedQuery{"open", "",
                "Attempts that a further run of each campaign would make: never made, or lost with their worker once",
                still_open},
    CannedQuery{
        "regressions", "", "Figures that the newest gate found to be worse, and why",
        "SELECT g.uid || '.' || d.number AS decision, d.rule, d.cell, cell.source_name AS source, "
        "nullif(cell.context, 0) AS context, d.codec_name, d.component, d.metric, d.base, d.head, d.change, d.why, "
        "d.waiver FROM decision d JOIN gate_run g ON g.id = d.gate_run LEFT JOIN cell ON cell.uid = d.cell WHERE "
        "d.judgement = 'regression' AND g.id = (SELECT id FROM gate_run WHERE kind <> 'calibration' ORDER BY "
        "finished_utc DESC, id DESC LIMIT 1) ORDER BY d.number"},
    CannedQuery{"campaigns", "", "Campaigns and their coverage",
                "SELECT * FROM v_campaign WHERE campaign = coalesce(:campaign, campaign)"},
    CannedQuery{
        "cells", "", "Cells of the newest campaign with their state",
        "SELECT cell.uid AS cell, cell.workload, cell.source_name AS source, nullif(cell.context, 0) AS context, "
        "cell.codec_name, cell.backend, coalesce(a.status, 'missing') AS status, a.wall_ns / 1e9 AS wall_s, "
        "a.reason FROM v_current c JOIN campaign ON campaign.id = c.campaign JOIN cell ON cell.id = c.cell LEFT "
        "JOIN attempt a ON a.id = c.attempt WHERE campaign.uid = :newest ORDER BY c.position, "
        "c.process"},
    CannedQuery{
        "slowest", "", "The 20 attempts that took longest",
        "SELECT a.uid AS attempt, cell.source_name AS source, cell.context, cell.codec_name, a.status, a.wall_ns "
        "/ 1e9 AS wall_s, a.harness_ns / 1e9 AS harness_s FROM attempt a JOIN cell ON cell.id = a.cell ORDER BY "
        "a.wall_ns DESC LIMIT 20"},
    CannedQuery{"published", "", "Our figures of the newest campaign beside published ones",
                "SELECT * FROM v_published WHERE campaign = :newest"},
    CannedQuery{"published-figures", "", "The same, a row per published figure: reproduced, differing, not comparable",
                "SELECT * FROM v_published_figure WHERE campaign = :newest"},
    CannedQuery{"targets", "", "Targets of the newest campaign and which codecs pass or fail them",
                "SELECT * FROM v_targets WHERE campaign = :newest"},
    CannedQuery{
        "engines", "",
        "Workload model in the newest campaign: each codec's bits, answers and speed, and how the engine ran, which "
        "tells "
        "its own caches from codecs of this program",
        "SELECT source, context, protocol, codec_name"
        ", max(value) FILTER (WHERE metric = 'bits_per_value') AS bits_per_value"
        ", max(value) FILTER (WHERE metric = 'ppl') AS ppl"
        ", max(value) FILTER (WHERE metric = 'kld_mean') AS kld_mean"
        ", max(value) FILTER (WHERE metric = 'top1_agreement') AS top1_agreement"
        ", max(value) FILTER (WHERE metric = 'first_divergence_token') AS first_divergence_token"
        ", max(value) FILTER (WHERE metric = 'prefill_tokens_per_s') AS prefill_tokens_per_s"
        ", max(value) FILTER (WHERE metric = 'decode_tokens_per_s') AS decode_tokens_per_s"
        ", max(value) FILTER (WHERE metric = 'cache_memory_growth_bytes') AS cache_memory_growth_bytes"
        ", max(engine) AS engine FROM v_latest WHERE campaign = :newest AND workload = 'model' AND component = 'kv'"
        " AND status = 'ok' GROUP BY cell ORDER BY source, context, protocol, bits_per_value DESC, codec_name"},
    CannedQuery{
        "statistics", "", "Encoding and decoding in the newest campaign: passes, bytes, times and errors",
        "WITH pass AS (SELECT cell.uid AS cell, s.component"
        ", sum(iif(m.name = 'encode_ns', s.n, 0)) AS encodings"
        ", sum(iif(m.name = 'decode_ns', s.n, 0)) AS decodings FROM v_current c"
        " JOIN campaign ON campaign.id = c.campaign JOIN cell ON cell.id = c.cell"
        " JOIN sample_count s ON s.attempt = c.attempt JOIN metric m ON m.id = s.metric"
        " WHERE campaign.uid = :newest GROUP BY cell.uid, s.component), figures AS ("
        "SELECT cell, source, context, codec_name, component"
        ", max(value) FILTER (WHERE metric = 'original_bytes') AS original_bytes"
        ", max(value) FILTER (WHERE metric = 'stored_bytes') AS stored_bytes"
        ", max(value) FILTER (WHERE metric = 'bytes_saved') AS bytes_saved"
        ", max(value) FILTER (WHERE metric = 'encode_mean_ns') AS encode_mean_ns"
        ", max(value) FILTER (WHERE metric = 'decode_mean_ns') AS decode_mean_ns"
        ", max(value) FILTER (WHERE metric = 'encode_gb_per_s') AS encode_gb_per_s"
        ", max(value) FILTER (WHERE metric = 'decode_gb_per_s') AS decode_gb_per_s"
        ", max(value) FILTER (WHERE metric = 'relative_error_mean') AS relative_error_mean"
        ", max(value) FILTER (WHERE metric = 'relative_error_p50') AS relative_error_p50"
        ", max(value) FILTER (WHERE metric = 'relative_error_p95') AS relative_error_p95"
        ", max(value) FILTER (WHERE metric = 'relative_error_p99') AS relative_error_p99"
        ", max(value) FILTER (WHERE metric = 'relative_error_max') AS relative_error_max"
        " FROM v_latest WHERE campaign = :newest AND workload = 'roundtrip' AND status = 'ok' AND metric IN ("
        "'original_bytes', 'stored_bytes', 'bytes_saved', 'encode_mean_ns', 'decode_mean_ns', 'encode_gb_per_s', "
        "'decode_gb_per_s', 'relative_error_mean', 'relative_error_p50', 'relative_error_p95', 'relative_error_p99', "
        "'relative_error_max') GROUP BY cell, component) SELECT source, context, codec_name, f.component, "
        "sum(encodings) AS encodings"
        ", sum(decodings) AS decodings, original_bytes, stored_bytes, bytes_saved, encode_mean_ns, decode_mean_ns"
        ", encode_gb_per_s, decode_gb_per_s, relative_error_mean, relative_error_p50, relative_error_p95"
        ", relative_error_p99, relative_error_max"
        " FROM figures f LEFT JOIN pass ON pass.cell = f.cell AND instr(f.component, pass.component)"
        " GROUP BY f.cell, f.component ORDER BY source, context, codec_name, f.component"},
    CannedQuery{
        "samples", "CELL METRIC", "Raw samples of a cell (its id) and metric, newest attempt first",
        "SELECT a.finished_utc, a.process, s.component, s.position, s.value FROM attempt a CROSS JOIN sample s ON "
        "s.attempt = a.id WHERE a.cell = (SELECT id FROM cell WHERE uid = :cell) AND s.metric = (SELECT id FROM "
        "metric WHERE name = :metric) ORDER BY a.finished_utc DESC, a.process, s.component, s.position"},
    CannedQuery{"hosts", "", "Nodes that measured",
                "SELECT name, hardware_name, kernel, governor, (SELECT count(*) FROM attempt WHERE host = host.id) AS "
                "attempts FROM host"},
    CannedQuery{"metrics", "", "Every metric with unit, direction and formula",
                "SELECT name, unit, better, deterministic, formula FROM metric ORDER BY id"},
    CannedQuery{"tables", "", "The content of tables, views and columns", "SELECT * FROM v_notes"},
};

}  // namespace

std::span<CannedQuery const> canned_queries() { return table; }

}  // namespace kvstone
