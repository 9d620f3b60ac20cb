// v_environment and v_env_diff: builds, packages and hosts of campaigns, fact by fact, so that two can be laid beside
// each other.

#include "results/store/schema.hpp"

namespace kvstone {
namespace {

constexpr std::string_view sql = R"sql(
CREATE VIEW v_environment(campaign, kind, name, value) AS
WITH RECURSIVE line(toolchain, text, rest) AS (
  SELECT id, '', packages FROM toolchain
  UNION ALL
  SELECT toolchain, substr(rest, 1, instr(rest || char(10), char(10)) - 1),
    substr(rest, instr(rest || char(10), char(10)) + 1)
  FROM line WHERE rest <> ''
),
package(toolchain, name, value) AS (
  SELECT toolchain, substr(text, 1, instr(text || ' ', ' ') - 1), substr(text, instr(text || ' ', ' ') + 1)
  FROM line WHERE text <> ''
),
used AS (
  SELECT DISTINCT campaign, host FROM attempt WHERE host IS NOT NULL
),
fact(campaign, kind, name, value) AS (
  SELECT c.id, 'build', j.key, j.value FROM campaign c JOIN build b ON b.id = c.build
  JOIN json_each(json_object('git_sha', b.git_sha, 'source_hash', b.source_hash, 'version', b.version, 'build_type',
    b.build_type, 'compiler', b.compiler, 'flags', b.flags, 'processor', b.processor, 'mpi', b.has_mpi, 'llama',
    b.has_llama, 'cuda', b.has_cuda)) j
  UNION ALL
  SELECT c.id, 'toolchain', p.name, p.value
  FROM campaign c JOIN build b ON b.id = c.build JOIN package p ON p.toolchain = b.toolchain
  UNION ALL
  SELECT u.campaign, 'host', j.key, j.value FROM used u JOIN host h ON h.id = u.host JOIN json_each(h.facts) j
)
-- Several hosts, or packages of one name: all their values, in order. A window states the order in a way that SQLite
-- before 3.44 knows, too.
SELECT DISTINCT campaign, kind, name, group_concat(value) OVER (PARTITION BY campaign, kind, name ORDER BY value
  ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
FROM (SELECT DISTINCT c.uid AS campaign, kind, name, value FROM fact f JOIN campaign c ON c.id = f.campaign);

CREATE VIEW v_env_diff(campaign, other, kind, name, value, other_value) AS
WITH environment AS MATERIALIZED (SELECT * FROM v_environment),
name AS (SELECT DISTINCT kind, name FROM environment)
SELECT a.uid, b.uid, n.kind, n.name, x.value, y.value
FROM campaign a JOIN campaign b ON a.id <> b.id CROSS JOIN name n
LEFT JOIN environment x ON x.campaign = a.uid AND x.kind = n.kind AND x.name = n.name
LEFT JOIN environment y ON y.campaign = b.uid AND y.kind = n.kind AND y.name = n.name
WHERE x.value IS NOT y.value
ORDER BY a.id, b.id, n.kind, n.name;
)sql";

}  // namespace

std::string_view environment_views() { return sql; }

}  // namespace kvstone
