// v_pareto: which codecs no other beats. One source for `show --pareto`, `show --best`, reports and gates.
//
// Cells that differ in their codec alone are compared in three figures: stored bits per value, an error and a speed.
//   error  kld_mean; without a model attention_kl (workload attention), else nmse, the worse of K's and V's
//   speed  decode_tokens_per_s, else prefill_tokens_per_s, else decode_gb_per_s; none where timing was off. A codec that
//          is a command has none: its times are another process's, and mostly those of sending the values there
// A codec is beaten by one that is better in at least one of them, and better or equal in the others. Better means beyond
// both intervals where they are stated, by value where they are not. Values within each other's intervals are undecided:
// then neither beats the other, and both stay. What would beat a codec by values alone, but for the intervals, is its
// `rival`. A command is beaten by what is better in bits and error, whatever the speed, and itself beats commands alone.

#include "results/store/schema.hpp"

namespace kvstone {
namespace {

constexpr std::string_view before_times_of = R"sql(
CREATE VIEW v_pareto(campaign, cell, workload, options, source, context, batch, page, backend, threads, position,
  codec, codec_name, status, reason, bits_per_value, error_metric, error, error_low, error_high, speed_metric, speed,
  speed_low, speed_high, read_fraction, left_out, beaten_by, rival, on_front, peers,
  times_of) AS
WITH shown AS (
  -- Errors are of the worse of K and V; all else is of both together, or of the one there is.
  -- Metrics by their numbers: a seek each in an attempt's figures, in place of a walk past all of them.
  SELECT v.campaign, v.cell, m.name, v.value, v.ci_low, v.ci_high
  FROM v_value v JOIN metric m ON m.id = v.metric
  WHERE v.metric IN (SELECT id FROM metric WHERE name IN ('bits_per_value', 'compressed_read_fraction', 'kld_mean',
      'attention_kl', 'nmse', 'decode_tokens_per_s', 'prefill_tokens_per_s', 'decode_gb_per_s'))
    AND (v.component = 'kv' OR m.name = 'nmse' OR NOT EXISTS (SELECT 1 FROM v_value w WHERE w.campaign = v.campaign
      AND w.cell = v.cell AND w.metric = v.metric AND w.component = 'kv'))
),
figures AS (
  SELECT c.uid AS campaign, x.uid AS cell, x.workload, x.options, x.source_name AS source,
    nullif(x.context, 0) AS context, x.batch, x.page, x.backend, x.threads, e.position, x.codec, x.codec_name,
    coalesce(o.status, 'missing') AS status, a.reason,
    )sql";
constexpr std::string_view behind_times_of = R"sql( AS times_of,
    c.id || ' ' || x.workload || ' ' || x.options || ' ' || x.source || ' ' || x.context || ' ' || x.batch || ' ' ||
      x.page || ' ' || x.threads || ' ' || x.backend AS peers,
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
judged AS (
  SELECT *,
    CASE WHEN kld IS NOT NULL THEN 'kld_mean' WHEN attention_kl IS NOT NULL THEN 'attention_kl'
      WHEN nmse IS NOT NULL THEN 'nmse' END AS error_metric,
    coalesce(kld, attention_kl, nmse) AS error,
    iif(kld IS NULL, NULL, kld_low) AS error_low,
    iif(kld IS NULL, NULL, kld_high) AS error_high,
    CASE WHEN decode_rate IS NOT NULL THEN 'decode_tokens_per_s' WHEN prefill_rate IS NOT NULL THEN
      'prefill_tokens_per_s' WHEN tensor_rate IS NOT NULL THEN 'decode_gb_per_s' END AS speed_metric,
    iif(times_of <> 'attempt', NULL, coalesce(decode_rate, prefill_rate, tensor_rate)) AS speed,
    CASE WHEN times_of <> 'attempt' THEN NULL WHEN decode_rate IS NOT NULL THEN decode_rate_low WHEN prefill_rate IS NOT NULL THEN prefill_rate_low
      ELSE tensor_rate_low END AS speed_low,
    CASE WHEN times_of <> 'attempt' THEN NULL WHEN decode_rate IS NOT NULL THEN decode_rate_high WHEN prefill_rate IS NOT NULL THEN prefill_rate_high
      ELSE tensor_rate_high END AS speed_high,
    CASE WHEN status <> 'ok' THEN status WHEN read_fraction < 0.5 THEN 'not_engaged'
      WHEN bits IS NULL THEN 'no bytes' WHEN coalesce(kld, attention_kl, nmse) IS NULL THEN 'no error' END AS left_out
  FROM figures
),
-- Who meets whom, by number: codecs in one contest differ in the codec alone and have the same figures to compare. Those
-- that are left out are in none. Without an interval a figure is its own.
rivals AS MATERIALIZED (
  SELECT *, iif(left_out IS NULL, dense_rank() OVER (ORDER BY peers, error_metric, speed_metric), NULL) AS contest,
    coalesce(error_low, error) AS error_least, coalesce(error_high, error) AS error_most,
    coalesce(speed_low, speed) AS speed_least, coalesce(speed_high, speed) AS speed_most
  FROM judged
),
-- `a` is better than `b` or equal in all three, and not equal in all; of several that are the first in plan order. An
-- absent speed equals an absent one.
beaten AS MATERIALIZED (
  SELECT *,
    (SELECT a.codec_name FROM rivals a WHERE a.contest = b.contest AND a.bits <= b.bits
      AND (a.error = b.error OR a.error_most < b.error_least)
      AND (a.speed IS b.speed OR a.speed_least > b.speed_most OR b.times_of <> 'attempt')
      AND (a.bits < b.bits OR a.error <> b.error OR a.speed IS NOT b.speed) ORDER BY a.position LIMIT 1) AS beaten_by
  FROM rivals b
)
SELECT campaign, cell, workload, options, source, context, batch, page, backend, threads, position, codec,
  codec_name, status, reason, bits, error_metric, error, error_low, error_high, iif(times_of <> 'attempt', NULL, speed_metric), speed,
  speed_low, speed_high, read_fraction, left_out, beaten_by,
  iif(beaten_by IS NULL, (SELECT a.codec_name FROM rivals a WHERE a.contest = b.contest AND a.bits <= b.bits
    AND a.error <= b.error AND (a.speed IS b.speed OR a.speed > b.speed OR b.times_of <> 'attempt')
    AND (a.bits < b.bits OR a.error <> b.error OR a.speed IS NOT b.speed) ORDER BY a.position LIMIT 1), NULL),
  left_out IS NULL AND beaten_by IS NULL, peers, times_of
FROM beaten b
ORDER BY campaign, position;
)sql";

}  // namespace

std::string_view pareto_view() {
    static std::string const sql = std::string(before_times_of).append(times_of_sql("x.codec")).append(behind_times_of);
    return sql;
}

}  // namespace kvstone
