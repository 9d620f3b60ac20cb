#include "results/report/tails.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "results/query/candidates.hpp"
#include "results/query/show_text.hpp"

namespace kvstone {
namespace {

struct TailColumn {
    std::string_view title;
    std::string_view metric;
};
constexpr std::array columns{TailColumn{"KLD mean", "kld_mean"},
                             TailColumn{"p99", "kld_p99"},
                             TailColumn{"p99.9", "kld_p999"},
                             TailColumn{"max", "kld_max"},
                             TailColumn{"above 0.1 nat", "large_kld_share"},
                             TailColumn{"sure top-1 flips", "sure_top1_flips"},
                             TailColumn{"mean of digits", "kld_mean_digits"},
                             TailColumn{"of punctuation", "kld_mean_punctuation"},
                             TailColumn{"of rare", "kld_mean_rare"}};

std::string tails_sql() {
    std::string names;
    std::string pivoted;
    for (auto const& [title, metric] : columns) {
        names += fmt::format("'{}', ", metric);
        pivoted += fmt::format(
            ", max(iif(name = '{0}', printf('%.3g', value) || iif(ci_low IS NULL, '', printf(' (%.3g..%.3g)', ci_low, "
            "ci_high)), NULL)) AS \"{1}\"",
            metric, title);
    }
    auto const figure = [](std::string_view metric) {
        return fmt::format("max(iif(name = '{}', value, NULL))", metric);
    };
    return "WITH tail AS (SELECT v.campaign, v.cell, m.name, v.value, v.ci_low, v.ci_high FROM v_value v JOIN campaign "
           "c "
           "ON c.id = v.campaign JOIN metric m ON m.id = v.metric WHERE c.uid = ?1 AND v.component = 'kv' AND v.value "
           "IS "
           "NOT NULL AND m.name IN (" +
           names + "'passages')) SELECT " + title_sql("nullif(options, '{}')") + " AS cell, codec_name AS codec" +
           pivoted +
           ", (SELECT p.position FROM v_profile p WHERE p.campaign = ?1 AND p.cell = cell.uid AND p.metric = 'kld_max' "
           "AND "
           "p.position IS NOT NULL ORDER BY p.value DESC, p.position LIMIT 1) AS \"max from token\", cast(" +
           figure("passages") +
           " AS INTEGER) AS passages FROM tail JOIN cell ON cell.id = tail.cell GROUP BY tail.cell HAVING max(name IN "
           "('kld_p99', 'kld_p999', 'kld_max')) ORDER BY " +
           figure("kld_p999") + " NULLS LAST, " + figure("kld_p99") + " NULLS LAST, cell.id";
}

bool is_null(QueryValue const& value) { return std::holds_alternative<std::nullptr_t>(value); }

}  // namespace

Tails read_tails(Store const& store, std::string const& campaign) {
    Tails tails{query(store, tails_sql(), {campaign}), {}};
    auto& [columns_of, rows] = tails.table;
    std::set<std::int64_t> counts;
    for (auto const& row : rows)
        if (auto const* passages = std::get_if<std::int64_t>(&row.back())) counts.insert(*passages);
    for (auto const count : counts)
        if (auto doubt = doubt_of_passages(static_cast<std::uint64_t>(count)); !doubt.empty())
            tails.notes.push_back(std::move(doubt));
    auto const p999 = static_cast<std::size_t>(std::ranges::find(columns_of, "p99.9") - columns_of.begin());
    if (std::ranges::any_of(rows, [p999](auto const& row) { return is_null(row[p999]); }))
        tails.notes.emplace_back("a p99.9 takes 1,000 scored tokens: not all cells have as many");
    for (std::size_t i = columns_of.size(); i-- > 0;) {
        if (std::ranges::any_of(rows, [i](auto const& row) { return !is_null(row[i]); })) continue;
        auto const place = static_cast<std::ptrdiff_t>(i);
        columns_of.erase(columns_of.begin() + place);
        for (auto& row : rows) row.erase(row.begin() + place);
    }
    return tails;
}

}  // namespace kvstone
