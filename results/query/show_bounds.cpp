#include "results/query/show_bounds.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace kvstone {
namespace {

constexpr double least_bits = 0.005;
constexpr double least_repeats = 0.001;
/// Over the tokens behind a table: the bias that remains after Miller-Madow's correction. For high bytes of fp16 on
/// N(0,1) it is 23 bits, found by drawing 32 to 4096 of them.
constexpr double bias_bits_times_tokens = 30;

// max() over a group picks the one figure that a metric has there: cells that differ in their threads find the same.
constexpr auto bounds_sql = R"sql(
SELECT codec, json_array(source, context, batch, backend, component),
  max(iif(metric = 'entropy_ratio_bound_vs_fp16', value, NULL)) AS ratio,
  max(iif(metric = 'entropy_high_byte_bits', value, NULL)),
  max(iif(metric = 'entropy_per_channel_bits', value, NULL)),
  max(iif(metric = 'entropy_given_previous_token_bits', value, NULL)),
  max(iif(metric = 'duplicate_rows', value, NULL)),
  max(iif(metric = 'entropy_per_channel_bits', n, NULL))
FROM v_latest WHERE campaign = ?1 AND status = 'ok' AND component IN ('k', 'v') AND value IS NOT NULL AND
  workload = 'entropy' AND metric IN ('entropy_ratio_bound_vs_fp16', 'entropy_high_byte_bits', 'entropy_per_channel_bits',
    'entropy_given_previous_token_bits', 'duplicate_rows')
GROUP BY 1, 2 HAVING ratio IS NOT NULL
)sql";
constexpr auto ratios_sql = R"sql(
SELECT DISTINCT codec, json_array(source, context, batch, backend, component), codec_name,
  source, context, component, value
FROM v_latest WHERE campaign = ?1 AND status = 'ok' AND component IN ('k', 'v') AND value IS NOT NULL AND
  workload = 'roundtrip' AND metric = 'ratio_vs_fp16'
ORDER BY source, context, component, batch, backend, value, codec_name
)sql";

/// The members in which a ratio and its bound agree: the values coded, and source, context, batch, backend and
/// component.
using Of = std::pair<std::string, std::string>;
Of of_row(std::vector<QueryValue> const& row, std::function<std::string(std::string const&)> const& coded_values) {
    auto const& codec = std::get<std::string>(row[0]);
    return {coded_values ? coded_values(codec) : codec, std::get<std::string>(row[1])};
}

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
    return causes.empty() ? "above, without an explanation" : fmt::format("above: {}", fmt::join(causes, ", "));
}

QueryResult bounds_rows(Store const& store, std::string const& campaign,
                        std::function<std::string(std::string const& codec)> const& coded_values) {
    std::map<Of, PayloadBounds> bounds;
    for (auto const& row : query(store, bounds_sql, {campaign}).rows) {
        auto const* const tokens = std::get_if<std::int64_t>(&row[7]);
        bounds[of_row(row, coded_values)] = {number(row[2]).value_or(0),
                                             number(row[3]),
                                             number(row[4]),
                                             number(row[5]),
                                             number(row[6]),
                                             tokens != nullptr ? static_cast<std::uint64_t>(*tokens) : 0};
    }
    QueryResult rows{{"codec", "source", "context", "of", "vs fp16", "bound", "gain"}, {}};
    if (bounds.empty()) return rows;
    struct Part {
        std::string of;
        std::vector<std::vector<QueryValue>> rows;
    };
    std::vector<Part> parts;
    for (auto const& row : query(store, ratios_sql, {campaign}).rows) {
        auto const of = of_row(row, coded_values);
        auto const found = bounds.find(of);
        if (found == bounds.end()) continue;
        if (parts.empty() || parts.back().of != of.second) parts.push_back({of.second, {}});
        auto const& bound = found->second;
        parts.back().rows.push_back(
            {row[2], row[3], row[4], row[5], row[6], bound.ratio, gain_text(number(row[6]).value_or(0), bound)});
    }
    for (auto& part : parts) {
        std::ranges::stable_sort(part.rows, {}, [](auto const& row) { return std::get<double>(row[5]); });
        for (auto& row : part.rows)
            if (std::ranges::find(rows.rows, row) == rows.rows.end()) rows.rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace kvstone
