// v_history: every figure by commit and night.

#include "results/store/schema.hpp"

namespace kvstone {
namespace {

// Cells keep their ids from build to build: that, on one class of hardware, is what a history follows. Partitions are
// named by the view's own columns, so that a query for one metric or cell reads no others. Texts join behind the window:
// it sorts every row that it is given. Before schema 7 two different
// edits of a commit were one build: of those none is called the same.
constexpr std::string_view sql = R"sql(
CREATE VIEW v_history(cell, workload, source, context, codec, codec_name, backend, component, metric, unit, better,
  night, git_sha, toolchain, hardware_class, campaign, started_utc, value, ci_low, ci_high, previous, change_percent,
  same_binary, same_toolchain, deterministic) AS
SELECT w.uid, x.workload, x.source_name, nullif(x.context, 0), x.codec, x.codec_name, x.backend, w.component, w.name,
  m.unit, m.better, coalesce(c.night, substr(c.started_utc, 1, 10)), b.git_sha, t.uid, w.hardware_class, c.uid,
  c.started_utc, w.value, w.ci_low, w.ci_high, w.previous,
  100 * (w.value - w.previous) / nullif(abs(w.previous), 0),
  c.build = w.build_before AND (b.source_hash <> '' OR b.git_sha NOT LIKE '%-dirty' AND b.git_sha <> 'unknown'),
  b.toolchain = w.toolchain_before, m.deterministic
FROM (SELECT v.campaign, v.cell, x.uid, v.metric, m.name, v.component, c.hardware_class, v.value, v.ci_low, v.ci_high,
    lag(v.value) OVER before AS previous, lag(c.build) OVER before AS build_before,
    lag(b.toolchain) OVER before AS toolchain_before
  FROM v_value v
  JOIN campaign c ON c.id = v.campaign
  JOIN build b ON b.id = c.build
  JOIN cell x ON x.id = v.cell
  JOIN metric m ON m.id = v.metric
  WINDOW before AS (PARTITION BY x.uid, m.name, v.component, c.hardware_class ORDER BY c.started_utc, c.id)) w
CROSS JOIN campaign c ON c.id = w.campaign
CROSS JOIN build b ON b.id = c.build
CROSS JOIN toolchain t ON t.id = b.toolchain
CROSS JOIN cell x ON x.id = w.cell
CROSS JOIN metric m ON m.id = w.metric;
)sql";

}  // namespace

std::string_view history_view() { return sql; }

}  // namespace kvstone
