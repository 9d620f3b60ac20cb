// v_pareto: which codecs no other beats. One source for `show --pareto`, `show --best`, reports and gates.
//
// Cells that differ in their codec alone are compared in three figures: stored bits per value, an error and a speed.
//   error  kld_mean; without a model attention_kl (workload attention), else nmse, the worse of K's and V's
//   speed  decode_tokens_per_s, else prefill_tokens_per_s, else decode_gb_per_s; none where timing was off
// A codec is beaten by one that is better in at least one of them, and better or equal in the others. Better means beyond
// both intervals where they are stated, by value where they are not. Values within each other's intervals are undecided:
// then neither beats the other, and both stay. What would beat a codec by values alone, but for the intervals, is its
// `rival`.

#include "results/schema.hpp"

namespace kvstone {
namespace {

constexpr std::string_view sql = R"sql(
CREATE VIEW v_pareto(campaign, cell, workload, options, source, context, batch, page, backend, threads, position,
  codec, codec_name, status, reason, bits_per_value, error_metric, error, error_low, error_high, speed_metric, speed,
  speed_low, speed_high, read_fraction, left_out, beaten_by, rival, on_front, peers) AS
WITH shown AS (
  -- Errors are of the worse of K and V; all else is of both together, or of the one there is.
  SELECT v.campaign, v.cell, m.name, v.value, v.ci_low, v.ci_high
  FROM v_value v JOIN metric m ON m.id = v.metric
  WHERE m.name IN ('bits_per_value', 'compressed_read_fraction', 'kld_mean', 'attention_kl', 'nmse',
      'decode_tokens_per_s', 'prefill_tokens_per_s', 'decode_gb_per_s')
    AND (v.component = 'kv' OR m.name = 'nmse' OR NOT EXISTS (SELECT 1 FROM v_value w WHERE w.campaign = v.campaign
      AND w.cell = v.cell AND w.metric = v.metric AND w.component = 'kv'))
),
figures AS (
  SELECT c.uid AS campaign, x.uid AS cell, x.workload, x.options, x.source_name AS source,
    nullif(x.context, 0) AS context, x.batch, x.page, x.backend, x.threads, e.position, x.codec, x.codec_name,
    coalesce(o.status, 'missing') AS status, a.reason,
    concat_ws(' ', c.id, x.workload, x.options, x.source, x.context, x.batch, x.page, x.threads, x.backend) AS peers,
    max(value) FILTER (WHERE name = 'bits_per_value') AS bits,
    max(value) FILTER (WHERE name = 'compressed_read_fraction') AS read_fraction,
    max(value) FILTER (WHERE name = 'kld_mean') AS kld,
    max(ci_low) FILTER (WHERE name = 'kld_mean') AS kld_low,
    max(ci_high) FILTER (WHERE name = 'kld_mean') AS kld_high,
    max(value) FILTER (WHERE name = 'attention_kl') AS attention_kl,
    max(value) FILTER (WHERE name = 'nmse') AS nmse,
    max(value) FILTER (WHERE name = 'decode_tokens_per_s') AS decode_rate,
    max(ci_low) FILTER (WHERE name = 'decode_tokens_per_s') AS decode_rate_low,
    max(ci_high) FILTER (WHERE name = 'decode_tokens_per_s') AS decode_rate_high,
    max(value) FILTER (WHERE name = 'prefill_tokens_per_s') AS prefill_rate,
    max(ci_low) FILTER (WHERE name = 'prefill_tokens_per_s') AS prefill_rate_low,
    max(ci_high) FILTER (WHERE name = 'prefill_tokens_per_s') AS prefill_rate_high,
    max(value) FILTER (WHERE name = 'decode_gb_per_s') AS tensor_rate,
    max(ci_low) FILTER (WHERE name = 'decode_gb_per_s') AS tensor_rate_low,
    max(ci_high) FILTER (WHERE name = 'decode_gb_per_s') AS tensor_rate_high
  FROM expected e
  JOIN campaign c ON c.id = e.campaign
  JOIN cell x ON x.id = e.cell
  LEFT JOIN v_outcome o ON o.campaign = e.campaign AND o.cell = e.cell
  LEFT JOIN attempt a ON a.id = o.attempt
  LEFT JOIN shown f ON f.campaign = e.campaign AND f.cell = e.cell
  WHERE e.process = 0
  GROUP BY e.campaign, e.cell
),
judged AS MATERIALIZED (
  SELECT *,
    CASE WHEN kld IS NOT NULL THEN 'kld_mean' WHEN attention_kl IS NOT NULL THEN 'attention_kl'
      WHEN nmse IS NOT NULL THEN 'nmse' END AS error_metric,
    coalesce(kld, attention_kl, nmse) AS error,
    iif(kld IS NULL, NULL, kld_low) AS error_low,
    iif(kld IS NULL, NULL, kld_high) AS error_high,
    CASE WHEN decode_rate IS NOT NULL THEN 'decode_tokens_per_s' WHEN prefill_rate IS NOT NULL THEN
      'prefill_tokens_per_s' WHEN tensor_rate IS NOT NULL THEN 'decode_gb_per_s' END AS speed_metric,
    coalesce(decode_rate, prefill_rate, tensor_rate) AS speed,
    CASE WHEN decode_rate IS NOT NULL THEN decode_rate_low WHEN prefill_rate IS NOT NULL THEN prefill_rate_low
      ELSE tensor_rate_low END AS speed_low,
    CASE WHEN decode_rate IS NOT NULL THEN decode_rate_high WHEN prefill_rate IS NOT NULL THEN prefill_rate_high
      ELSE tensor_rate_high END AS speed_high,
    CASE WHEN status <> 'ok' THEN status WHEN read_fraction < 0.5 THEN 'not_engaged'
      WHEN bits IS NULL THEN 'no bytes' WHEN coalesce(kld, attention_kl, nmse) IS NULL THEN 'no error' END AS left_out
  FROM figures
),
-- 1: `other` is better, 0: equal, -1: worse, null: undecided. An absent speed equals an absent one.
pair AS MATERIALIZED (
  SELECT b.campaign, b.cell, a.codec_name AS other, a.position AS other_position,
    (a.bits < b.bits) - (a.bits > b.bits) AS bits,
    CASE WHEN a.error = b.error THEN 0
      WHEN coalesce(a.error_high, a.error) < coalesce(b.error_low, b.error) THEN 1
      WHEN coalesce(a.error_low, a.error) > coalesce(b.error_high, b.error) THEN -1 END AS error,
    CASE WHEN a.speed IS b.speed THEN 0
      WHEN coalesce(a.speed_low, a.speed) > coalesce(b.speed_high, b.speed) THEN 1
      WHEN coalesce(a.speed_high, a.speed) < coalesce(b.speed_low, b.speed) THEN -1 END AS speed,
    (a.error < b.error) - (a.error > b.error) AS error_value,
    iif(a.speed IS b.speed, 0, (a.speed > b.speed) - (a.speed < b.speed)) AS speed_value
  FROM judged a JOIN judged b ON a.peers = b.peers AND a.cell <> b.cell AND a.error_metric = b.error_metric
    AND a.speed_metric IS b.speed_metric
  WHERE a.left_out IS NULL AND b.left_out IS NULL
),
-- Of several that beat it the first in plan order; max() and min() of several values are null where one is.
beaten AS MATERIALIZED (
  SELECT campaign, cell, other, min(other_position) FROM pair
  WHERE min(bits, error, speed) >= 0 AND max(bits, error, speed) > 0 GROUP BY campaign, cell
),
doubted AS MATERIALIZED (
  SELECT campaign, cell, other, min(other_position) FROM pair
  WHERE min(bits, error_value, speed_value) >= 0 AND max(bits, error_value, speed_value) > 0 GROUP BY campaign, cell
)
SELECT j.campaign, j.cell, workload, options, source, context, batch, page, backend, threads, position, codec,
  codec_name, status, reason, bits, error_metric, error, error_low, error_high, speed_metric, speed, speed_low,
  speed_high, read_fraction, left_out, b.other, iif(b.other IS NULL, d.other, NULL),
  left_out IS NULL AND b.other IS NULL, peers
FROM judged j
LEFT JOIN beaten b ON b.campaign = j.campaign AND b.cell = j.cell
LEFT JOIN doubted d ON d.campaign = j.campaign AND d.cell = j.cell
ORDER BY j.campaign, position;
)sql";

}  // namespace

std::string_view pareto_view() { return sql; }

}  // namespace kvstone
