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

#include <array>

#include <fmt/format.h>

#include "results/store/schema.hpp"

namespace kvstone {
namespace {

/// A metric of which the figure of K and V together counts, or of the one there is.
struct Compared {
    std::string_view column;
    std::string_view metric;
    bool has_interval;
};
constexpr std::array compared{Compared{"bits", "bits_per_value", false},
                              Compared{"read_fraction", "compressed_read_fraction", false},
                              Compared{"kld", "kld_mean", true},
                              Compared{"attention_kl", "attention_kl", false},
                              Compared{"decode_rate", "decode_tokens_per_s", true},
                              Compared{"prefill_rate", "prefill_tokens_per_s", true},
                              Compared{"tensor_rate", "decode_gb_per_s", true}};

/// The figures of cells of one process, or of several: a seek each in the rows of an attempt or cell, by the metric's
/// number. Errors of tensors are of the worse of K and V.
std::string figures_sql(std::string_view condition, bool one_process) {
    std::string_view const table = one_process ? "figure" : "combined";
    auto const rows = [&](std::string_view alias, std::string_view metric) {
        auto const of_cell = one_process ? fmt::format("{}.attempt = iif(o.status = 'ok', o.attempt, NULL)", alias)
                                         : fmt::format("{0}.campaign = o.campaign AND {0}.cell = o.cell", alias);
        return fmt::format("{} AND {}.metric = (SELECT id FROM metric WHERE name = '{}')", of_cell, alias, metric);
    };
    std::string columns, joins;
    for (auto const& [column, metric, has_interval] : compared) {
        columns +=
            fmt::format(", iif({0}.metric IS NULL, (SELECT max(w.value) FROM {1} w WHERE {2}), {0}.value) AS {0}",
                        column, table, rows("w", metric));
        if (has_interval)
            columns += fmt::format(", {0}.ci_low AS {0}_low, {0}.ci_high AS {0}_high, {0}.metric IS NULL AS {0}_apart",
                                   column);
        columns += "\n   ";
        joins +=
            fmt::format("\n  LEFT JOIN {0} {1} ON {2} AND {1}.component = 'kv'", table, column, rows(column, metric));
    }
    return fmt::format(
        "  SELECT e.campaign, e.cell, e.position, o.attempt, coalesce(o.status, 'missing') AS status{}, "
        "(SELECT max(w.value) FROM {} w WHERE {}) AS nmse\n  FROM expected e\n"
        "  JOIN campaign c ON c.id = e.campaign\n"
        "  LEFT JOIN outcome o ON o.campaign = e.campaign AND o.cell = e.cell{}\n"
        "  WHERE e.process = 0 AND coalesce(o.processes, 1) {} 1 AND {}\n",
        columns, table, rows("w", "nmse"), joins, one_process ? "=" : ">", condition);
}

/// An end of a metric's interval, where the metric has a value.
std::string interval_sql(Compared const& of, std::string_view end) {
    return fmt::format(
        "iif({0}_apart, (SELECT max(v.ci_{1}) FROM v_value v WHERE v.campaign = f.campaign AND v.cell = "
        "f.cell AND v.metric = (SELECT id FROM metric WHERE name = '{2}')), {0}_{1})",
        of.column, end, of.metric);
}

/// What is compared of a cell: its error and speed, and how sure they are.
std::string judged_sql() {
    auto const& [bits, read_fraction, kld, attention_kl, decode, prefill, tensor] = compared;
    std::string ends;
    for (std::string_view const end : {"low", "high"})
        ends += fmt::format(
            "    iif(kld IS NULL, NULL, {1}) AS error_{0},\n"
            "    CASE WHEN times_of <> 'attempt' THEN NULL WHEN decode_rate IS NOT NULL THEN {2}\n"
            "      WHEN prefill_rate IS NOT NULL THEN {3}\n"
            "      WHEN tensor_rate IS NOT NULL THEN {4} END AS speed_{0},\n",
            end, interval_sql(kld, end), interval_sql(decode, end), interval_sql(prefill, end),
            interval_sql(tensor, end));
    return R"sql(judged AS (
  SELECT f.campaign, f.cell, f.position, f.attempt, f.status, p.times_of, p.number, f.bits, f.read_fraction,
    CASE WHEN kld IS NOT NULL THEN 'kld_mean' WHEN attention_kl IS NOT NULL THEN 'attention_kl'
      WHEN nmse IS NOT NULL THEN 'nmse' END AS error_metric,
    coalesce(kld, attention_kl, nmse) AS error,
    CASE WHEN decode_rate IS NOT NULL THEN 'decode_tokens_per_s' WHEN prefill_rate IS NOT NULL THEN
      'prefill_tokens_per_s' WHEN tensor_rate IS NOT NULL THEN 'decode_gb_per_s' END AS speed_metric,
    iif(times_of <> 'attempt', NULL, coalesce(decode_rate, prefill_rate, tensor_rate)) AS speed,
)sql" + ends +
           R"sql(    CASE WHEN status <> 'ok' THEN status WHEN read_fraction < 0.5 THEN 'not_engaged'
      WHEN bits IS NULL THEN 'no bytes' WHEN coalesce(kld, attention_kl, nmse) IS NULL THEN 'no error' END AS left_out
  FROM figures f CROSS JOIN peer p ON p.cell = f.cell
),
)sql";
}

// Cells that differ in their codec alone are of one number.
std::string peer_sql() {
    return R"sql(peer AS MATERIALIZED (
  SELECT id AS cell, dense_rank() OVER (ORDER BY workload, options, source, context, batch, page, threads, backend)
    AS number,
    )sql" + times_of_sql("codec") +
           R"sql( AS times_of
  FROM cell
),
)sql";
}

constexpr std::string_view answer_sql =
    R"sql(-- Who meets whom, by number: codecs in one contest differ in the codec alone and have the same figures to compare. Those
-- that are left out are in none. Without an interval a figure is its own.
rivals AS MATERIALIZED (
  SELECT *, iif(left_out IS NULL, (campaign << 34) + (number << 4) +
      4 * CASE error_metric WHEN 'kld_mean' THEN 0 WHEN 'attention_kl' THEN 1 ELSE 2 END +
      CASE speed_metric WHEN 'decode_tokens_per_s' THEN 0 WHEN 'prefill_tokens_per_s' THEN 1
        WHEN 'decode_gb_per_s' THEN 2 ELSE 3 END, NULL) AS contest,
    coalesce(error_low, error) AS error_least, coalesce(error_high, error) AS error_most,
    coalesce(speed_low, speed) AS speed_least, coalesce(speed_high, speed) AS speed_most
  FROM judged
),
-- `a` is better than `b` or equal in all three, and not equal in all; of several that are the first in plan order. An
-- absent speed equals an absent one.
beaten AS MATERIALIZED (
  SELECT *,
    (SELECT a.cell FROM rivals a WHERE a.contest = b.contest AND a.bits <= b.bits
      AND (a.error = b.error OR a.error_most < b.error_least)
      AND (a.speed IS b.speed OR a.speed_least > b.speed_most OR b.times_of <> 'attempt')
      AND (a.bits < b.bits OR a.error <> b.error OR a.speed IS NOT b.speed) ORDER BY a.position LIMIT 1) AS beaten_by
  FROM rivals b
)
SELECT c.uid AS campaign, x.uid AS cell, x.workload, x.options, x.source_name AS source,
  nullif(x.context, 0) AS context, x.batch, x.page, x.backend, x.threads, b.position, x.codec,
  x.codec_name, b.status, t.reason, b.bits AS bits_per_value, b.error_metric, b.error, b.error_low, b.error_high,
  iif(b.times_of <> 'attempt', NULL, b.speed_metric) AS speed_metric, b.speed, b.speed_low, b.speed_high,
  b.read_fraction, b.left_out, (SELECT codec_name FROM cell WHERE id = b.beaten_by) AS beaten_by,
  iif(b.beaten_by IS NULL, (SELECT y.codec_name FROM rivals a JOIN cell y ON y.id = a.cell WHERE a.contest = b.contest
    AND a.bits <= b.bits AND a.error <= b.error AND (a.speed IS b.speed OR a.speed > b.speed OR b.times_of <> 'attempt')
    AND (a.bits < b.bits OR a.error <> b.error OR a.speed IS NOT b.speed) ORDER BY a.position LIMIT 1), NULL) AS rival,
  b.left_out IS NULL AND b.beaten_by IS NULL AS on_front,
  c.id || ' ' || x.workload || ' ' || x.options || ' ' || x.source || ' ' || x.context || ' ' || x.batch || ' ' ||
    x.page || ' ' || x.threads || ' ' || x.backend AS peers, b.times_of
FROM beaten b
CROSS JOIN campaign c ON c.id = b.campaign
CROSS JOIN cell x ON x.id = b.cell
LEFT JOIN attempt t ON t.id = b.attempt
ORDER BY c.uid, b.position)sql";

}  // namespace

std::string pareto_sql(std::string_view condition) {
    return "WITH figures AS MATERIALIZED (\n" + figures_sql(condition, true) + "  UNION ALL\n" +
           figures_sql(condition, false) + "),\n" + peer_sql() + judged_sql() + std::string(answer_sql);
}

std::string pareto_view() {
    return "CREATE VIEW v_pareto(campaign, cell, workload, options, source, context, batch, page, backend, threads, "
           "position, codec, codec_name, status, reason, bits_per_value, error_metric, error, error_low, error_high, "
           "speed_metric, speed, speed_low, speed_high, read_fraction, left_out, beaten_by, rival, on_front, peers, "
           "times_of) AS\n" +
           pareto_sql("true") + ";\n";
}

}  // namespace kvstone
