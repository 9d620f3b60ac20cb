#include "results/query/show_bounds.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace kvstone {
namespace {

constexpr double least_bits = 0.005;
constexpr double least_repeats = 0.001;
/// Over the tokens behind a table: what Miller-Madow's correction leaves of the bias. Of high bytes of fp16 on N(0,1) it is
/// 23 bits, found by drawing 32 to 4096 of them.
constexpr double bias_bits_times_tokens = 30;

// max() over a group picks the one figure that a metric has there: cells that differ in their threads find the same.
constexpr auto bounds_sql = R"sql(
WITH figure AS (
  SELECT workload, codec, codec_name, source, context, batch, backend, component, metric, value, n FROM v_latest
  WHERE campaign = ?1 AND status = 'ok' AND component IN ('k', 'v') AND value IS NOT NULL AND (
    workload = 'roundtrip' AND metric = 'ratio_vs_fp16' OR workload = 'entropy' AND metric IN (
      'entropy_ratio_bound_vs_fp16', 'entropy_high_byte_bits', 'entropy_per_channel_bits',
      'entropy_given_previous_token_bits', 'duplicate_rows'))),
bound AS (
  SELECT codec, source, context, batch, backend, component,
    max(iif(metric = 'entropy_ratio_bound_vs_fp16', value, NULL)) AS ratio,
    max(iif(metric = 'entropy_high_byte_bits', value, NULL)) AS high_byte,
    max(iif(metric = 'entropy_per_channel_bits', value, NULL)) AS per_channel,
    max(iif(metric = 'entropy_given_previous_token_bits', value, NULL)) AS previous,
    max(iif(metric = 'duplicate_rows', value, NULL)) AS repeats,
    max(iif(metric = 'entropy_per_channel_bits', n, NULL)) AS tokens
  FROM figure WHERE workload = 'entropy' GROUP BY 1, 2, 3, 4, 5, 6)
SELECT DISTINCT substr(f.codec_name, 1, 22), substr(f.source, 1, 9), f.context, f.component, f.value, b.ratio,
  b.high_byte, b.per_channel, b.previous, b.repeats, b.tokens
FROM figure f JOIN bound b ON b.codec = f.codec AND b.source = f.source AND b.context IS f.context
  AND b.batch = f.batch AND b.backend = f.backend AND b.component = f.component
WHERE f.workload = 'roundtrip' AND b.ratio IS NOT NULL
ORDER BY f.source, f.context, f.component, b.ratio, f.value, f.codec_name
)sql";

std::optional<double> number(QueryValue const& value) {
    auto const* real = std::get_if<double>(&value);
    return real != nullptr ? std::optional(*real) : std::nullopt;
}

}  // namespace

std::string gain_text(double ratio, PayloadBounds const& bounds) {
    std::vector<std::string> causes;
    auto const less = [&](char const* name, std::optional<double> than, std::optional<double> bits, double least) {
        if (than && bits && *than - *bits >= least)
            causes.push_back(fmt::format("{} -{:.2f} bit", name, *than - *bits));
    };
    auto const bias = bounds.tokens > 0 ? bias_bits_times_tokens / static_cast<double>(bounds.tokens) : 0;
    less("channels", bounds.high_byte, bounds.per_channel, least_bits + bias);
    less("time", bounds.per_channel, bounds.given_previous_token, least_bits);
    if (bounds.duplicate_rows && *bounds.duplicate_rows >= least_repeats)
        causes.push_back(fmt::format("repeats {:.3g}%", 100 * *bounds.duplicate_rows));
    if (ratio <= bounds.ratio) return causes.empty() ? "" : fmt::format("left: {}", fmt::join(causes, ", "));
    return causes.empty() ? "above, and nothing explains it" : fmt::format("above: {}", fmt::join(causes, ", "));
}

QueryResult bounds_rows(Store const& store, std::string const& campaign) {
    QueryResult rows{{"codec", "source", "context", "of", "vs fp16", "bound", "gain"}, {}};
    for (auto& row : query(store, bounds_sql, {campaign}).rows) {
        auto const ratio = number(row[4]).value_or(0);
        auto const* const tokens = std::get_if<std::int64_t>(&row[10]);
        PayloadBounds const bounds{number(row[5]).value_or(0),
                                   number(row[6]),
                                   number(row[7]),
                                   number(row[8]),
                                   number(row[9]),
                                   tokens != nullptr ? static_cast<std::uint64_t>(*tokens) : 0};
        row.resize(6);
        row.emplace_back(gain_text(ratio, bounds));
        rows.rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace kvstone
