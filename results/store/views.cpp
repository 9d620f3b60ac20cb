// The views everyone reads. Three summaries stand behind them: which attempt decides a cell, kept by triggers (see
// summary_schema.cpp), figures over several processes (see combine.cpp), and those that codecs are compared by, side by
// side (see compared_figures.cpp).

#include <string>

#include "results/record/build.hpp"
#include "results/store/schema.hpp"

namespace kvstone {
namespace {

constexpr std::string_view internal_views = R"sql(
CREATE VIEW v_current(campaign, cell, process, position, required, attempt) AS
SELECT campaign, cell, process, position, required,
  (SELECT a.id FROM attempt a
    WHERE a.campaign = e.campaign AND a.cell = e.cell AND a.process = e.process
    ORDER BY a.stands DESC, a.finished_utc DESC, a.id DESC LIMIT 1)
FROM expected e;

CREATE VIEW v_outcome(campaign, cell, position, processes, attempt, status, newest) AS
SELECT o.campaign, o.cell, o.position, o.processes, o.attempt, o.status,
  (SELECT (a.status <> 'ok') || a.finished_utc || a.uid FROM attempt a WHERE a.id = o.attempt)
FROM outcome o;

-- Outcomes come first: they are few, and each seeks its figures.
CREATE VIEW v_value(campaign, cell, metric, component, value, n, ci_low, ci_high) AS
SELECT o.campaign, o.cell, f.metric, f.component, f.value, f.n, f.ci_low, f.ci_high
FROM outcome o CROSS JOIN figure f ON f.attempt = o.attempt
WHERE o.status = 'ok' AND o.processes = 1
UNION ALL
SELECT o.campaign, o.cell, f.metric, f.component, f.value, f.n, f.ci_low, f.ci_high
FROM outcome o CROSS JOIN combined f ON f.campaign = o.campaign AND f.cell = o.cell
WHERE o.processes > 1;

-- The rows of the blocks come first, so that a question about one attempt seeks them.
CREATE VIEW sample(attempt, metric, component, position, value) AS
WITH place(i) AS (VALUES (0), (1), (2), (3), (4))
SELECT b.attempt, s.metric, s.component, b.last_position - b.n + 1 + p.i, CASE p.i WHEN 0 THEN b.value_0
  WHEN 1 THEN b.value_1 WHEN 2 THEN b.value_2 WHEN 3 THEN b.value_3 ELSE b.value_4 END
FROM sample_block b CROSS JOIN series s ON s.id = b.series CROSS JOIN place p WHERE p.i < b.n;

CREATE VIEW sample_count(attempt, metric, component, n) AS
SELECT b.attempt, s.metric, s.component, b.n FROM sample_block b CROSS JOIN series s ON s.id = b.series;
)sql";

// Placeholders stand for the differences between the parts of v_latest.
constexpr std::string_view latest_columns_1 = R"sql(
SELECT campaign.uid, cell.uid, cell.workload, cell.source_name, iif(cell.source_kind = 'model', cell.source_name, NULL),
  nullif(cell.context, 0), cell.batch, cell.codec, cell.codec_name, cell.backend, a.device,
  coalesce(a.threads, nullif(cell.threads, 0)), a.protocol, a.task)sql";
constexpr std::string_view latest_columns_2 = R"sql(,
  o.status, a.reason, build.git_sha, toolchain.uid, host.name, a.finished_utc,
  cell.source_kind, campaign.scenario, campaign.hardware_class, cell.page, nullif(cell.options, '{}'), a.engine,
  a.uid, campaign.night, host.vector_units, )sql";
constexpr std::string_view latest_columns_3 = R"sql(,
  iif(instr(cell.codec, ',kind=declared,hash=') > 0, 'declared', 'stored')
FROM v_outcome o
JOIN attempt a ON a.id = o.attempt
JOIN cell ON cell.id = o.cell
JOIN campaign ON campaign.id = o.campaign
JOIN build ON build.id = campaign.build
JOIN toolchain ON toolchain.id = build.toolchain
LEFT JOIN host ON host.id = a.host
)sql";
constexpr std::string_view latest_figures =
    ", f.component, m.name, m.unit, m.better, f.value, f.n, f.ci_low, f.ci_high";
constexpr std::string_view latest_nothing = ", NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL";

constexpr std::string_view views_before_build_name = R"sql(
CREATE VIEW v_profile(cell, component, metric, layer, head, position, value, campaign, codec, codec_name, source,
  context, workload) AS
SELECT cell.uid, p.component, m.name, nullif(p.layer, -1), nullif(p.head, -1), nullif(p.position, -1), p.value,
  campaign.uid, cell.codec, cell.codec_name, cell.source_name, nullif(cell.context, 0), cell.workload
FROM v_outcome o
JOIN v_current c ON c.campaign = o.campaign AND c.cell = o.cell AND c.process = 0
JOIN profile p ON p.attempt = c.attempt
JOIN metric m ON m.id = p.metric
JOIN cell ON cell.id = o.cell
JOIN campaign ON campaign.id = o.campaign
WHERE o.status = 'ok';

CREATE VIEW v_missing(campaign, cell, process, workload, source, context, codec, codec_name, backend, required, status,
  reason) AS
SELECT campaign.uid, cell.uid, c.process, cell.workload, cell.source_name, nullif(cell.context, 0), cell.codec,
  cell.codec_name, cell.backend, c.required, a.status, a.reason
FROM v_current c
JOIN campaign ON campaign.id = c.campaign
JOIN cell ON cell.id = c.cell
LEFT JOIN attempt a ON a.id = c.attempt
WHERE a.id IS NULL OR NOT a.stands
ORDER BY c.campaign, c.position, c.process;

CREATE VIEW v_failures(campaign, cell, process, workload, source, context, codec, codec_name, backend, status, reason,
  signal, stderr_tail, host, finished_utc, attempt, repeated) AS
SELECT campaign.uid, cell.uid, c.process, cell.workload, cell.source_name, nullif(cell.context, 0), cell.codec,
  cell.codec_name, cell.backend, a.status, a.reason, a.signal, a.stderr_tail, host.name, a.finished_utc, a.uid,
  a.id <> c.attempt
FROM v_current c
JOIN campaign ON campaign.id = c.campaign
JOIN cell ON cell.id = c.cell
JOIN attempt a ON a.campaign = c.campaign AND a.cell = c.cell AND a.process = c.process
LEFT JOIN host ON host.id = a.host
WHERE a.status <> 'ok' AND iif(a.id = c.attempt, a.status <> 'skipped' OR c.required, a.status = 'node_lost')
ORDER BY c.campaign, c.position, c.process, a.finished_utc, a.id;

CREATE VIEW v_drift(campaign, cell, process, workload, source, context, codec, codec_name, backend, host, drift,
  finished_utc, attempt) AS
SELECT campaign.uid, cell.uid, c.process, cell.workload, cell.source_name, nullif(cell.context, 0), cell.codec,
  cell.codec_name, cell.backend, host.name, a.drift, a.finished_utc, a.uid
FROM v_current c
JOIN campaign ON campaign.id = c.campaign
JOIN cell ON cell.id = c.cell
JOIN attempt a ON a.id = c.attempt
JOIN host ON host.id = a.host
WHERE a.drift IS NOT NULL
ORDER BY c.campaign, c.position, c.process;

CREATE VIEW v_campaign(campaign, scenario, started_utc, finished_utc, cells, ok, failed, skipped, missing, git_sha,
  build_type, toolchain, hardware_class, hardware, plan, build_name, night) AS
SELECT campaign.uid, campaign.scenario, campaign.started_utc, t.finished_utc, t.cells, t.ok, t.failed, t.skipped,
  t.cells - t.ok - t.failed - t.skipped, build.git_sha, build.build_type, toolchain.uid, campaign.hardware_class,
  (SELECT host.hardware_name FROM host WHERE host.hardware_class = campaign.hardware_class LIMIT 1), plan.uid,
  )sql";
constexpr std::string_view views_after_build_name = R"sql(, campaign.night
FROM (SELECT e.campaign, count(*) AS cells, max(a.finished_utc) AS finished_utc,
        count(*) FILTER (WHERE o.status = 'ok') AS ok,
        count(*) FILTER (WHERE o.status NOT IN ('ok', 'skipped')) AS failed,
        count(*) FILTER (WHERE o.status = 'skipped') AS skipped
      FROM expected e
      LEFT JOIN v_outcome o ON o.campaign = e.campaign AND o.cell = e.cell
      LEFT JOIN attempt a ON a.id = o.attempt
      WHERE e.process = 0 GROUP BY e.campaign) t
JOIN campaign ON campaign.id = t.campaign
JOIN plan ON plan.id = campaign.plan
JOIN build ON build.id = campaign.build
JOIN toolchain ON toolchain.id = build.toolchain
ORDER BY campaign.started_utc, campaign.id;

CREATE VIEW v_newest(campaign) AS
SELECT uid FROM campaign ORDER BY resumed_utc DESC, id DESC LIMIT 1;

CREATE VIEW v_published(campaign, cell, codec_name, source, context, component, metric, unit, ours, theirs, difference,
  setting, comparable, figure, relation, tolerance, difference_percent, agrees) AS
SELECT campaign.uid, cell.uid, cell.codec_name, cell.source_name, nullif(cell.context, 0), p.component, m.name, m.unit,
  o.value, p.value, o.value - p.value, p.setting, p.comparable, p.id, p.relation, p.tolerance,
  100 * (o.value - p.value) / nullif(abs(p.value), 0),
  CASE p.relation WHEN 'at_least' THEN o.value >= p.value WHEN 'at_most' THEN o.value <= p.value
    ELSE abs(o.value - p.value) <= p.tolerance END
FROM published p
JOIN campaign ON campaign.id = p.campaign
JOIN metric m ON m.id = p.metric
LEFT JOIN published_cell pc ON pc.published = p.id
LEFT JOIN cell ON cell.id = pc.cell
LEFT JOIN v_value o ON o.campaign = p.campaign AND o.cell = pc.cell AND o.metric = p.metric
  AND o.component = p.component
ORDER BY p.id;

CREATE VIEW v_published_figure(campaign, figure, codec_name, source, component, metric, unit, cells, ours_least,
  ours_most, relation, theirs, difference, difference_percent, comparable, outcome, setting) AS
SELECT campaign, figure, iif(count(DISTINCT codec_name) > 1, count(DISTINCT codec_name) || ' codecs', max(codec_name)),
  iif(count(DISTINCT source) > 1, count(DISTINCT source) || ' sources', max(source)), component, metric, unit,
  count(ours), min(ours), max(ours), relation, theirs, iif(max(difference) > -min(difference), max(difference),
  min(difference)), iif(max(difference) > -min(difference), max(difference_percent), min(difference_percent)),
  comparable, CASE WHEN count(ours) = 0 THEN 'not measured' WHEN comparable = 'no' THEN 'not comparable'
    WHEN min(agrees) = 1 THEN 'reproduced' WHEN max(agrees) = 1 THEN 'in part' ELSE 'differing' END, setting
FROM v_published GROUP BY figure ORDER BY figure;

CREATE VIEW v_targets(campaign, cell, codec, codec_name, component, metric, value, at_least, at_most, verdict, source,
  context, workload, unit, origin, position) AS
SELECT campaign.uid, cell.uid, cell.codec, cell.codec_name, t.component, m.name, o.value, t.at_least, t.at_most,
  CASE WHEN o.value IS NULL THEN NULL WHEN o.value < t.at_least OR o.value > t.at_most THEN 'fail' ELSE 'pass' END,
  cell.source_name, nullif(cell.context, 0), cell.workload, m.unit, t.origin,
  e.position
FROM target t
JOIN campaign ON campaign.id = t.campaign
JOIN metric m ON m.id = t.metric
JOIN target_cell tc ON tc.target = t.id
JOIN cell ON cell.id = tc.cell
JOIN expected e ON e.campaign = t.campaign AND e.cell = tc.cell AND e.process = 0
LEFT JOIN v_value o ON o.campaign = t.campaign AND o.cell = tc.cell AND o.metric = t.metric AND o.component = t.component
ORDER BY t.campaign, e.position, t.id;
)sql";

std::string build_views() {
    std::string sql(internal_views);
    sql +=
        "CREATE VIEW v_latest(campaign, cell, workload, source, model, context, batch, codec, codec_name, backend, "
        "device, threads, protocol, task, component, metric, unit, better, value, n, ci_low, ci_high, status, reason, "
        "git_sha, toolchain, host, finished_utc, source_kind, scenario, hardware_class, page, options, engine, "
        "attempt, night, vector_units, times_of, bytes_of) "
        "AS";
    auto const part = [&](std::string_view figures, std::string_view rest) {
        sql.append(latest_columns_1).append(figures).append(latest_columns_2).append(times_of_sql("cell.codec"));
        sql.append(latest_columns_3).append(rest);
    };
    part(latest_figures,
         "JOIN figure f ON f.attempt = o.attempt JOIN metric m ON m.id = f.metric "
         "WHERE o.status = 'ok' AND o.processes = 1\nUNION ALL");
    part(latest_figures,
         "JOIN combined f ON f.campaign = o.campaign AND f.cell = o.cell JOIN metric m ON m.id = f.metric "
         "WHERE o.status = 'ok' AND o.processes > 1\nUNION ALL");
    part(latest_nothing, "WHERE o.status <> 'ok';\n");
    sql.append(views_before_build_name).append(build_name_sql("build")).append(views_after_build_name);
    sql += pareto_views();
    sql += environment_views();
    sql += history_view();
    auto const quoted = [](std::string_view text) {
        std::string result = "'";
        for (char const c : text) result.append(c == '\'' ? 2 : 1, c);
        return result + "'";
    };
    sql += "CREATE VIEW v_notes(table_name, column_name, note) AS VALUES";
    char separator = ' ';
    for (auto const& note : notes()) {
        sql += separator;
        sql += "\n(" + quoted(note.table) + ", " + (note.column.empty() ? "NULL" : quoted(note.column)) + ", " +
               quoted(note.text) + ")";
        separator = ',';
    }
    return sql + ";";
}

}  // namespace

std::string times_of_sql(std::string const& codec) {
    return "CASE WHEN instr(" + codec + ", ',kind=command,hash=') > 0 THEN 'command' WHEN instr(" + codec +
           ", ',kind=declared,hash=') > 0 THEN 'declared' ELSE 'attempt' END";
}

std::string_view views() {
    static std::string const sql = build_views();
    return sql;
}

}  // namespace kvstone
