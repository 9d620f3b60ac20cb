#include "results/store/compared_figures.hpp"

#include <array>

#include <fmt/format.h>

namespace kvstone {
namespace {

/// A metric of which the figure of K and V together counts, or the largest of those there are.
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
                              Compared{"tensor_rate", "decode_gb_per_s", true},
                              Compared{"weights_bytes", "weights_bytes", false},
                              Compared{"compute_bytes", "compute_bytes", false},
                              Compared{"stored_bytes", "stored_bytes", false},
                              Compared{"passages", "passages", false}};

/// A seek each in the rows of an attempt or cell, by the metric's number. `key`: the condition that a row `{0}` is of it.
ComparedColumns compared_in(std::string_view table, std::string_view key, MetricNumber const& number) {
    auto const rows = [&](std::string_view alias, std::string_view metric) {
        return fmt::format("{} AND {}.metric = {}", fmt::format(fmt::runtime(key), alias), alias, number(metric));
    };
    auto const largest = [&](std::string_view value, std::string_view metric) {
        return fmt::format("(SELECT max(w.{}) FROM {} w WHERE {})", value, table, rows("w", metric));
    };
    // Errors of tensors are those of the worse of K and V.
    ComparedColumns of{fmt::format(",\n  {} AS nmse", largest("value", "nmse")), {}};
    for (auto const& [column, metric, has_interval] : compared) {
        auto const add = [&, alias = column, name = metric](std::string_view value, std::string_view end) {
            of.columns += fmt::format(",\n  iif({0}.metric IS NULL, {1}, {0}.{2}) AS {0}{3}", alias,
                                      largest(value, name), value, end);
        };
        add("value", "");
        if (has_interval) {
            add("ci_low", "_low");
            add("ci_high", "_high");
        }
        of.joins +=
            fmt::format("\nLEFT JOIN {0} {1} ON {2} AND {1}.component = 'kv'", table, column, rows(column, metric));
    }
    return of;
}

constexpr std::string_view table = R"sql(
CREATE TABLE compared_figures(
  attempt INTEGER PRIMARY KEY REFERENCES attempt(id),
  nmse REAL,
  bits REAL,
  read_fraction REAL,
  kld REAL,
  kld_low REAL,
  kld_high REAL,
  attention_kl REAL,
  decode_rate REAL,
  decode_rate_low REAL,
  decode_rate_high REAL,
  prefill_rate REAL,
  prefill_rate_low REAL,
  prefill_rate_high REAL,
  tensor_rate REAL,
  tensor_rate_low REAL,
  tensor_rate_high REAL,
  weights_bytes REAL,
  compute_bytes REAL,
  stored_bytes REAL,
  passages REAL
) STRICT;
-- An attempt deleted by hand, with any tool, takes along what hangs on it.
DROP TRIGGER attempt_deleted;
CREATE TRIGGER attempt_deleted BEFORE DELETE ON attempt BEGIN
  DELETE FROM figure WHERE attempt = old.id;
  DELETE FROM compared_figures WHERE attempt = old.id;
  DELETE FROM sample_block WHERE attempt = old.id;
  DELETE FROM profile WHERE attempt = old.id;
  DELETE FROM combined WHERE campaign = old.campaign AND cell = old.cell;
END;
)sql";

}  // namespace

std::string number_of_metric(std::string_view metric) {
    return fmt::format("(SELECT id FROM metric WHERE name = '{}')", metric);
}

std::string compared_figures_sql(std::string_view condition, MetricNumber const& number) {
    auto const [columns, joins] = compared_in("figure", "{}.attempt = a.id", number);
    return fmt::format("SELECT a.id AS attempt{}\nFROM attempt a{}\nWHERE {}", columns, joins, condition);
}

ComparedColumns compared_of_attempt() {
    std::string columns = ", s.nmse";
    for (auto const& [column, metric, has_interval] : compared) {
        columns += fmt::format(", s.{}", column);
        if (has_interval) columns += fmt::format(", s.{0}_low, s.{0}_high", column);
    }
    return {columns, "\n  LEFT JOIN compared_figures s ON s.attempt = iif(o.status = 'ok', o.attempt, NULL)"};
}

ComparedColumns compared_of_processes() {
    return compared_in("combined", "{0}.campaign = o.campaign AND {0}.cell = o.cell", number_of_metric);
}

std::string_view compared_figures_table() {
    static std::string const sql = std::string(table) + "INSERT INTO compared_figures " +
                                   compared_figures_sql("EXISTS (SELECT 1 FROM figure f WHERE f.attempt = a.id)") +
                                   ";\n";
    return sql;
}

}  // namespace kvstone
