#include "results/query/show_lengths.hpp"

#include <map>
#include <set>

#include <fmt/format.h>

namespace kvstone {
namespace {

constexpr std::size_t least_lengths = 3;
constexpr std::size_t most_lengths = 8;

// max() picks the one figure there is: cells that differ in their threads find the same.
constexpr auto lengths_sql = R"sql(
SELECT codec_name, source, context, json_array(codec, source, batch, backend) AS line,
  coalesce(max(iif(component = 'kv', value, NULL)), max(value))
FROM v_latest WHERE campaign = ?1 AND status = 'ok' AND workload = 'roundtrip' AND metric = 'ratio_vs_fp16'
  AND value IS NOT NULL AND context > 0
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, line, context
)sql";

struct Line {
    QueryValue codec;
    QueryValue source;
    std::map<std::int64_t, double> ratios;  ///< by length
};

/// Spread evenly where there are too many.
std::vector<std::int64_t> shown_lengths(std::set<std::int64_t> const& all) {
    std::vector<std::int64_t> const lengths(all.begin(), all.end());
    if (lengths.size() <= most_lengths) return lengths;
    std::vector<std::int64_t> shown;
    for (std::size_t i = 0; i < most_lengths; ++i)
        shown.push_back(lengths[i * (lengths.size() - 1) / (most_lengths - 1)]);
    return shown;
}

std::string change_text(double first, double last) {
    return first > 0 ? fmt::format("{:+.1f}%", 100 * (last / first - 1)) : std::string();
}

}  // namespace

QueryResult length_rows(Store const& store, std::string const& campaign) {
    std::vector<Line> lines;
    std::map<std::string, std::size_t> places;
    std::set<std::int64_t> all;
    for (auto const& row : query(store, lengths_sql, {campaign}).rows) {
        auto const length = std::get<std::int64_t>(row[2]);
        auto const [place, is_new] = places.try_emplace(std::get<std::string>(row[3]), lines.size());
        if (is_new) lines.push_back({row[0], row[1], {}});
        lines[place->second].ratios[length] = std::get<double>(row[4]);
        all.insert(length);
    }
    QueryResult rows{{"codec", "source"}, {}};
    if (all.size() < least_lengths) return rows;
    auto const lengths = shown_lengths(all);
    for (auto const length : lengths) rows.columns.push_back(fmt::format("{}", length));
    rows.columns.emplace_back("change");
    for (auto const& [codec, source, ratios] : lines) {
        if (ratios.size() < 2) continue;
        std::vector<QueryValue> row{codec, source};
        for (auto const length : lengths) {
            auto const found = ratios.find(length);
            if (found == ratios.end())
                row.emplace_back(nullptr);
            else
                row.emplace_back(fmt::format("{:.4f}", found->second));
        }
        row.emplace_back(change_text(ratios.begin()->second, ratios.rbegin()->second));
        rows.rows.push_back(std::move(row));
    }
    return rows;
}

}  // namespace kvstone
