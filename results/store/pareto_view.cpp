// v_pareto: which codecs no other beats. One source for `show --pareto`, `show --best`, reports and gates.
// v_pareto_total: the same of pairs of weights and codec, by the bytes of both.
//
// Cells that differ in their codec alone are compared in three figures: a size, an error and a speed. In v_pareto_total
// cells of models may differ in their weights, too, where their answers are compared with those of one reference model.
//   size   stored bits per value; of pairs the bytes of the weights, of the cache of one passage and of the engine's buffers
//   error  kld_mean; without a model attention_kl (workload attention), else nmse, the worse of K's and V's. Where a codec of
//          the peers drops tokens, which makes the KL of attention infinite, attention_output_error of all of them. Of tasks
//          acc_delta or recall_accuracy_delta, more of which is better
//   speed  decode_tokens_per_s, else prefill_tokens_per_s, else decode_gb_per_s; none where timing was off. A codec that
//          is a command has none: its times are another process's, and mostly those of sending the values there
// A codec is beaten by one that is better in at least one of them, and better or equal in the others. Better means beyond
// both intervals where they are stated, by value where they are not. Values within each other's intervals are undecided:
// then neither beats the other, and both stay. What would beat a codec by values alone, but for the intervals, is its
// `rival`. A command is beaten by what is better in size and error, whatever the speed, and itself beats commands alone.

#include <fmt/format.h>

#include "results/store/compared_figures.hpp"
#include "results/store/schema.hpp"

namespace kvstone {
namespace {

/// The differences between the two views, as SQL.
struct Front {
    std::string_view cells;    ///< the cells that are in it
    std::string source;        ///< equal for sources whose cells may meet; over columns of `cell`
    std::string_view size;     ///< over columns of `compared_figures`
    std::string_view figures;  ///< of the same, those that are columns of the view
    std::string_view rivals;   ///< columns of the view about who beats a cell
};

Front const& of_codecs() {
    static Front const front{
        "true", "source", "bits", "bits AS bits_per_value",
        "(SELECT codec_name FROM cell WHERE id = b.beaten_by) AS beaten_by, (SELECT codec_name FROM "
        "cell WHERE id = b.rival) AS rival"};
    return front;
}

Front const& of_pairs() {
    static Front const front{
        "workload = 'model'", reference_source_sql("source"),
        "weights_bytes + stored_bytes / passages + coalesce(compute_bytes, 0)",
        "weights_bytes, stored_bytes / passages AS cache_bytes, compute_bytes, bits AS bits_per_value",
        "(SELECT codec_name FROM cell WHERE id = b.beaten_by) AS beaten_by, (SELECT source_name FROM cell WHERE id = "
        "b.beaten_by) AS beaten_by_source, (SELECT codec_name FROM cell WHERE id = b.rival) AS rival, (SELECT "
        "source_name FROM cell WHERE id = b.rival) AS rival_source"};
    return front;
}

/// Every cell that a campaign expects, with the figures of its outcome: of cells of one process they stand side by side.
std::string figures_sql(std::string_view condition) {
    auto const part = [&](ComparedColumns const& figures, std::string_view processes) {
        return fmt::format(
            "  SELECT e.campaign, e.cell, e.position, o.attempt, coalesce(o.processes, 1) AS processes, "
            "coalesce(o.status, 'missing') AS status{}\n"
            "  FROM expected e JOIN campaign c ON c.id = e.campaign\n"
            "  LEFT JOIN outcome o ON o.campaign = e.campaign AND o.cell = e.cell{}\n"
            "  WHERE e.process = 0 AND coalesce(o.processes, 1) {} 1 AND {}\n",
            figures.columns, figures.joins, processes, condition);
    };
    return part(compared_of_attempt(), "=") + "  UNION ALL\n" + part(compared_of_processes(), ">");
}

/// Cells that may meet are of one number. `dropping`: numbers of which a campaign has a codec that drops tokens.
std::string peer_sql(Front const& front, std::string_view condition) {
    return fmt::format(R"sql(peer AS MATERIALIZED (
  SELECT id AS cell, dense_rank() OVER (ORDER BY workload, options, {}, context, batch, page, threads, backend)
    AS number,
    {} AS times_of, workload, workload = 'attention' AND codec LIKE 'keep:%' AS drops
  FROM cell WHERE {}
),
dropping AS MATERIALIZED (
  SELECT DISTINCT e.campaign, p.number FROM peer p CROSS JOIN campaign c
    CROSS JOIN expected e ON e.campaign = c.id AND e.cell = p.cell AND e.process = 0
  WHERE p.drops AND {}
),
)sql",
                       front.source, times_of_sql("codec"), front.cells, condition);
}

/// A figure of K and V together that is not among those that stand side by side, of a row `f` of `figures`.
std::string other_figure_sql(std::string_view column, std::string_view metric) {
    auto const key = fmt::format("metric = (SELECT id FROM metric WHERE name = {}) AND component = 'kv'", metric);
    return fmt::format(
        "iif(f.processes = 1, (SELECT {0} FROM figure WHERE attempt = f.attempt AND {1}), "
        "(SELECT {0} FROM combined WHERE campaign = f.campaign AND cell = f.cell AND {1}))",
        column, key);
}

/// Every row of `figures` with the metric that is its error.
std::string erring_sql() {
    return fmt::format(R"sql(erring AS (
  SELECT f.*, p.times_of, p.number, CASE WHEN kld IS NOT NULL THEN 'kld_mean'
    WHEN d.number IS NOT NULL AND f.status = 'ok' THEN 'attention_output_error'
    WHEN attention_kl IS NOT NULL THEN 'attention_kl' WHEN nmse IS NOT NULL THEN 'nmse'
    WHEN p.workload = 'tasks' AND f.status = 'ok' THEN iif({} IS NULL, 'recall_accuracy_delta', 'acc_delta') END
    AS error_metric
  FROM figures f CROSS JOIN peer p ON p.cell = f.cell
  LEFT JOIN dropping d ON d.campaign = f.campaign AND d.number = p.number
),
)sql",
                       other_figure_sql("value", "'acc_delta'"));
}

/// What is compared of a cell: its size, error and speed, and how sure they are.
std::string judged_sql(Front const& front) {
    return fmt::format(R"sql(measured AS (
  SELECT f.*,
    CASE error_metric WHEN 'kld_mean' THEN kld WHEN 'attention_kl' THEN attention_kl WHEN 'nmse' THEN nmse
      ELSE {2} END AS error,
    CASE error_metric WHEN 'kld_mean' THEN kld_low WHEN 'attention_kl' THEN NULL WHEN 'nmse' THEN NULL
      ELSE {3} END AS error_low,
    CASE error_metric WHEN 'kld_mean' THEN kld_high WHEN 'attention_kl' THEN NULL WHEN 'nmse' THEN NULL
      ELSE {4} END AS error_high
  FROM erring f
),
judged AS (
  SELECT f.campaign, f.cell, f.position, f.attempt, f.status, f.read_fraction, f.times_of, f.number, {0} AS size, {1},
    iif(error IS NULL, NULL, error_metric) AS error_metric, error, error_low, error_high,
    CASE WHEN decode_rate IS NOT NULL THEN 'decode_tokens_per_s' WHEN prefill_rate IS NOT NULL THEN
      'prefill_tokens_per_s' WHEN tensor_rate IS NOT NULL THEN 'decode_gb_per_s' END AS speed_metric,
    iif(times_of <> 'attempt', NULL, coalesce(decode_rate, prefill_rate, tensor_rate)) AS speed,
    CASE WHEN times_of <> 'attempt' THEN NULL WHEN decode_rate IS NOT NULL THEN decode_rate_low
      WHEN prefill_rate IS NOT NULL THEN prefill_rate_low WHEN tensor_rate IS NOT NULL THEN tensor_rate_low END
      AS speed_low,
    CASE WHEN times_of <> 'attempt' THEN NULL WHEN decode_rate IS NOT NULL THEN decode_rate_high
      WHEN prefill_rate IS NOT NULL THEN prefill_rate_high WHEN tensor_rate IS NOT NULL THEN tensor_rate_high END
      AS speed_high,
    CASE WHEN status <> 'ok' THEN status WHEN read_fraction < 0.5 THEN 'not_engaged'
      WHEN {0} IS NULL THEN 'no bytes' WHEN error IS NULL THEN 'no error' END AS left_out
  FROM measured f
),
)sql",
                       front.size, front.figures, other_figure_sql("value", "f.error_metric"),
                       other_figure_sql("ci_low", "f.error_metric"), other_figure_sql("ci_high", "f.error_metric"));
}

constexpr std::string_view rivals_sql =
    R"sql(-- Who meets whom, by number: cells in one contest have one number and the same figures to compare. Those
-- that are left out are in none. Without an interval a figure is its own. A loss is an error of which less is better.
rivals AS MATERIALIZED (
  SELECT *, iif(left_out IS NULL, (campaign << 34) + (number << 4) +
      4 * CASE error_metric WHEN 'kld_mean' THEN 0 WHEN 'attention_kl' THEN 1 WHEN 'nmse' THEN 2 ELSE 3 END +
      CASE speed_metric WHEN 'decode_tokens_per_s' THEN 0 WHEN 'prefill_tokens_per_s' THEN 1
        WHEN 'decode_gb_per_s' THEN 2 ELSE 3 END, NULL) AS contest,
    iif(more_is_better, -error, error) AS loss,
    iif(more_is_better, -coalesce(error_high, error), coalesce(error_low, error)) AS error_least,
    iif(more_is_better, -coalesce(error_low, error), coalesce(error_high, error)) AS error_most,
    coalesce(speed_low, speed) AS speed_least, coalesce(speed_high, speed) AS speed_most
  FROM (SELECT *, coalesce(error_metric LIKE '%\_delta' ESCAPE '\', 0) AS more_is_better FROM judged)
),
-- `a` is better than `b` or equal in all three, and not equal in all; of several that are the first in plan order. An
-- absent speed equals an absent one.
beaten AS MATERIALIZED (
  SELECT *,
    (SELECT a.cell FROM rivals a WHERE a.contest = b.contest AND a.size <= b.size
      AND (a.error = b.error OR a.error_most < b.error_least)
      AND (a.speed IS b.speed OR a.speed_least > b.speed_most OR b.times_of <> 'attempt')
      AND (a.size < b.size OR a.error <> b.error OR a.speed IS NOT b.speed) ORDER BY a.position LIMIT 1) AS beaten_by
  FROM rivals b
),
-- By values alone, but for the intervals.
answered AS (
  SELECT *, iif(beaten_by IS NULL, (SELECT a.cell FROM rivals a WHERE a.contest = b.contest
    AND a.size <= b.size AND a.loss <= b.loss AND (a.speed IS b.speed OR a.speed > b.speed OR b.times_of <> 'attempt')
    AND (a.size < b.size OR a.error <> b.error OR a.speed IS NOT b.speed) ORDER BY a.position LIMIT 1), NULL) AS rival
  FROM beaten b
)
)sql";

/// `sizes`: columns of the view about the size.
std::string answer_sql(Front const& front, std::string_view sizes) {
    return fmt::format(R"sql(SELECT c.uid AS campaign, x.uid AS cell, x.workload, x.options, x.source_name AS source,
  nullif(x.context, 0) AS context, x.batch, x.page, x.backend, x.threads, b.position, x.codec,
  x.codec_name, b.status, t.reason, {0}, b.error_metric, b.error, b.error_low, b.error_high,
  iif(b.times_of <> 'attempt', NULL, b.speed_metric) AS speed_metric, b.speed, b.speed_low, b.speed_high,
  b.read_fraction, b.left_out, {1},
  b.left_out IS NULL AND b.beaten_by IS NULL AS on_front,
  c.id || ' ' || x.workload || ' ' || x.options || ' ' || {2} || ' ' || x.context || ' ' || x.batch || ' ' ||
    x.page || ' ' || x.threads || ' ' || x.backend AS peers, b.times_of
FROM answered b
CROSS JOIN campaign c ON c.id = b.campaign
CROSS JOIN cell x ON x.id = b.cell
LEFT JOIN attempt t ON t.id = b.attempt
ORDER BY c.uid, b.position)sql",
                       sizes, front.rivals, front.source);
}

std::string front_sql(Front const& front, std::string_view sizes, std::string_view condition) {
    return "WITH figures AS (\n" + figures_sql(condition) + "),\n" + peer_sql(front, condition) + erring_sql() +
           judged_sql(front) + std::string(rivals_sql) + answer_sql(front, sizes);
}

}  // namespace

std::string reference_source_sql(std::string_view source) {
    return fmt::format(
        "json_set(json_remove({0}, '$.sha256'), '$.reference_sha256', coalesce(json_extract({0}, "
        "'$.reference_sha256'), "
        "json_extract({0}, '$.sha256')))",
        source);
}

std::string pareto_sql(std::string_view condition) { return front_sql(of_codecs(), "b.bits_per_value", condition); }

std::string pareto_total_sql(std::string_view condition) {
    return front_sql(of_pairs(),
                     "b.weights_bytes, b.cache_bytes, b.compute_bytes, b.size AS total_bytes, b.bits_per_value",
                     condition);
}

std::string pareto_views() {
    return "CREATE VIEW v_pareto(campaign, cell, workload, options, source, context, batch, page, backend, threads, "
           "position, codec, codec_name, status, reason, bits_per_value, error_metric, error, error_low, error_high, "
           "speed_metric, speed, speed_low, speed_high, read_fraction, left_out, beaten_by, rival, on_front, peers, "
           "times_of) AS\n" +
           pareto_sql("true") +
           ";\nCREATE VIEW v_pareto_total(campaign, cell, workload, options, source, context, batch, page, backend, "
           "threads, position, codec, codec_name, status, reason, weights_bytes, cache_bytes, compute_bytes, "
           "total_bytes, bits_per_value, error_metric, error, error_low, error_high, speed_metric, speed, speed_low, "
           "speed_high, read_fraction, left_out, beaten_by, beaten_by_source, rival, rival_source, on_front, peers, "
           "times_of) AS\n" +
           pareto_total_sql("true") + ";\n";
}

}  // namespace kvstone
